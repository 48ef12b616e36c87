//! What a history file holds and how it is called: `history-YYYYMM-<kind>.redb`.

use std::fmt;

use a2n_proto::execution::ExecutionStatus;

use crate::store::schema::{self, Table};

/// What a history file holds; files of different kinds are kept for different times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Executions that ended with SUCCESS.
    ExecutionsSuccess,
    /// Executions that ended otherwise.
    ExecutionsOther,
    /// Audit rows behind a checkpoint.
    Audit,
    /// Planned runs that were dealt with.
    Ledger,
    /// Measured values per minute.
    Rollup,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::ExecutionsSuccess, Self::ExecutionsOther, Self::Audit, Self::Ledger, Self::Rollup];
    /// Those of executions.
    pub const EXECUTIONS: [Self; 2] = [Self::ExecutionsSuccess, Self::ExecutionsOther];

    const fn as_str(self) -> &'static str {
        match self {
            Self::ExecutionsSuccess => "executions-success",
            Self::ExecutionsOther => "executions-other",
            Self::Audit => "audit",
            Self::Ledger => "ledger",
            Self::Rollup => "rollup",
        }
    }

    /// Where an execution that ended so belongs.
    pub const fn of(status: ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::Success => Self::ExecutionsSuccess,
            _ => Self::ExecutionsOther,
        }
    }

    pub(super) const fn tables(self) -> &'static [Table] {
        match self {
            Self::ExecutionsSuccess | Self::ExecutionsOther => schema::EXECUTIONS,
            Self::Audit => schema::AUDITS,
            Self::Ledger => schema::LEDGER,
            Self::Rollup => schema::ROLLUPS,
        }
    }
}

/// One history file's name: `history-YYYYMM-<kind>.redb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// Year × 100 + month, in UTC.
    pub month: u32,
    /// What it holds.
    pub kind: Kind,
}

impl FileName {
    /// What a name in the store's folder means; none where it is not such a file.
    pub fn parse(name: &str) -> Option<Self> {
        let (month, kind) =
            name.strip_prefix("history-")?.strip_suffix(".redb")?.split_once('-')?;
        let kind = Kind::ALL.into_iter().find(|k| k.as_str() == kind)?;
        let month = (month.len() == 6).then(|| month.parse().ok()).flatten()?;
        Some(Self { month, kind })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "history-{:06}-{}.redb", self.month, self.kind.as_str())
    }
}

/// The month that an instant lies in.
pub fn month_of(unix_ms: u64) -> u32 {
    let at = a2n_proto::Timestamp::from_unix_ms(i64::try_from(unix_ms).unwrap_or(i64::MAX));
    let date = at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    u32::from(date.year().unsigned_abs()) * 100 + u32::from(date.month().unsigned_abs())
}

/// The same for a moment; everything before 1970 is in its first month.
pub fn month_at(at: a2n_proto::Timestamp) -> u32 {
    month_of(u64::try_from(at.as_unix_ms()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_names() {
        assert_eq!(month_of(0), 197_001);
        for kind in Kind::ALL {
            let name = FileName { month: 202_611, kind };
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        let name = FileName { month: 202_611, kind: Kind::ExecutionsSuccess };
        assert_eq!(name.to_string(), "history-202611-executions-success.redb");
        assert_eq!(FileName::parse("history-2026-executions-success.redb"), None);
        assert_eq!(FileName::parse("history-202611-audit.redb.new"), None);
        assert_eq!(FileName::parse("state.redb"), None);
    }
}
