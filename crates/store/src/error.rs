//! Four meanings, not forty. Not found is `Option`, never an error.

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is away, too busy or stopping, or the outcome of a commit is unknown. Trying again
    /// later is right, and safe because every write is idempotent.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database holds something that the code says is impossible.
    #[error("inconsistent data: {0}")]
    Inconsistent(String),
    /// The database refused the statement: a constraint, a privilege, a policy.
    #[error("refused by the database ({code}{})", constraint.as_deref().map(|c| format!(", {c}")).unwrap_or_default())]
    Refused {
        /// SQLSTATE.
        code: String,
        /// Name of the constraint, where one was broken.
        constraint: Option<String>,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The database cannot be used as it is configured; one sentence for the operator.
    #[error("{0}")]
    Unsafe(String),
    /// A migration failed.
    #[error("migration failed")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl Error {
    /// Does trying again later make sense?
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Inconsistent(_) | Self::Refused { .. } | Self::Unsafe(_) | Self::Migration(_) => false,
        }
    }

    /// Was this constraint broken?
    pub fn is_constraint(&self, name: &str) -> bool {
        matches!(self, Self::Refused { constraint: Some(constraint), .. } if constraint == name)
    }

    pub(crate) fn inconsistent(what: impl std::fmt::Display) -> Self {
        Self::Inconsistent(what.to_string())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            let not_what_the_code_says = matches!(
                error,
                sqlx::Error::RowNotFound
                    | sqlx::Error::ColumnDecode { .. }
                    | sqlx::Error::ColumnNotFound(_)
                    | sqlx::Error::Decode(_)
                    | sqlx::Error::TypeNotFound { .. }
            );
            // Everything else is the connection or the pool: for a commit the outcome is unknown.
            return if not_what_the_code_says {
                Self::Inconsistent(error.to_string())
            } else {
                Self::Unavailable(error)
            };
        };
        let code = database.code().unwrap_or_default().into_owned();
        let constraint = database.constraint().map(str::to_owned);
        // 08 connection, 25 transaction state, 40 rollback (serialisation, deadlock), 53 resources,
        // 55 not in the right state, 57 operator intervention (shutdown, cancel), 58 system error.
        match code.get(..2) {
            Some("08" | "25" | "40" | "53" | "55" | "57" | "58") => Self::Unavailable(error),
            _ => Self::Refused { code, constraint, source: error },
        }
    }
}

/// Result of every function here.
pub type Result<T> = std::result::Result<T, Error>;
