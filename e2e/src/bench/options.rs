//! What can be chosen on the command line of the bench.

use anyhow::{Context, Result, bail};

/// Every option, with its default in [`Options::default`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// Devices connected at once, each with one publish on its way, so that no transaction has two of one device.
    pub(super) devices: usize,
    /// Length of a phase of durable ingest.
    pub(super) seconds: u64,
    /// Rows of the bare COPY.
    pub(super) rows: usize,
    /// Devices connected and idle.
    pub(super) idle: usize,
    /// Only phases whose name contains this.
    pub(super) only: String,
    /// List the statements that PostgreSQL spent most time on (pg_stat_statements; costs a little itself).
    pub(super) statements: bool,
    /// SQL to run before the phases: to try an index or a setting.
    pub(super) sql: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            devices: 800,
            seconds: 10,
            rows: 400_000,
            idle: 20_000,
            only: String::new(),
            statements: false,
            sql: String::new(),
        }
    }
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--devices" => options.devices = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--rows" => options.rows = value()?.parse()?,
                "--idle" => options.idle = value()?.parse()?,
                "--only" => options.only.clone_from(value()?),
                "--statements" => options.statements = true,
                "--sql" => options.sql.clone_from(value()?),
                _ => bail!(
                    "{name:?} is no option; there are --devices N, --seconds N, --rows N, --idle N, --only TEXT, --statements and \
                     --sql SQL"
                ),
            }
        }
        Ok(options)
    }

    /// Is a phase of this name to be run?
    pub(super) fn chosen(&self, phase: &str) -> bool {
        phase.contains(&self.only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_unknown_ones_are_told() {
        let parse = |text: &str| Options::parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let wanted = Options { devices: 5, statements: true, ..Options::default() };
        assert_eq!(parse("--statements --devices 5").unwrap(), wanted);
        assert!(parse("--devices").is_err());
        assert!(parse("--fast").unwrap_err().to_string().contains("--fast"));
    }
}
