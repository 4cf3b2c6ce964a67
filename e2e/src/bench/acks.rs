//! What the load generator noted of each acknowledged reading.

use std::path::Path;

use anyhow::{Context, Result};

/// One acknowledged reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acked {
    pub(super) device: String,
    pub(super) epoch: u64,
    pub(super) sequence: i64,
    /// When the device handed it to its socket, in microseconds since 1970.
    pub(super) published: i64,
    /// From then to the PUBACK, in microseconds.
    pub(super) took: i64,
}

/// Reads the list that a load wrote.
pub(super) fn read(path: &Path) -> Result<Vec<Acked>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} is missing", path.display()))?;
    text.lines().map(|line| parse(line).with_context(|| format!("no acknowledgement: {line:?}"))).collect()
}

fn parse(line: &str) -> Option<Acked> {
    let mut fields = line.split(' ');
    Some(Acked {
        device: fields.next()?.to_owned(),
        epoch: fields.next()?.parse().ok()?,
        sequence: fields.next()?.parse().ok()?,
        published: fields.next()?.parse().ok()?,
        took: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whole_or_not_at_all() {
        let wanted = Acked { device: "a-1".into(), epoch: 7, sequence: 3, published: 1_000, took: 250 };
        assert_eq!(parse("a-1 7 3 1000 250"), Some(wanted));
        assert_eq!(parse("a-1 7 3"), None);
    }
}
