//! One type per kind of id, so that a report's id can never stand where a delivery's belongs.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// A version of the report on one patient's week.
    ReportId
);
uuid_id!(
    /// A practice's summary of a week.
    PracticeReportId
);
uuid_id!(
    /// A medical practice that receives reports.
    PracticeId
);
uuid_id!(
    /// One report on its way to one address.
    DeliveryId
);

/// A report of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// On one patient.
    Report(ReportId),
    /// Of a practice, on all of its patients.
    Practice(PracticeReportId),
}

impl What {
    pub(super) fn report(self) -> Option<Uuid> {
        match self {
            Self::Report(id) => Some(id.0),
            Self::Practice(_) => None,
        }
    }

    pub(super) fn practice_report(self) -> Option<Uuid> {
        match self {
            Self::Report(_) => None,
            Self::Practice(id) => Some(id.0),
        }
    }

    /// From the two columns of which exactly one is filled.
    pub(super) fn from_columns(report: Option<Uuid>, practice_report: Option<Uuid>) -> crate::Result<Self> {
        match (report, practice_report) {
            (Some(id), None) => Ok(Self::Report(ReportId(id))),
            (None, Some(id)) => Ok(Self::Practice(PracticeReportId(id))),
            (None, None) | (Some(_), Some(_)) => {
                Err(crate::Error::inconsistent("a row that is about no report, or about two"))
            }
        }
    }
}
