//! Units of the SenML registries (RFC 8428, RFC 8798) in UCUM, where both mean exactly the same.
//!
//! Nothing is converted: a value is kept in the unit that it was sent in. SenML has no unit for a
//! concentration of glucose or for millimetres of mercury, so UCUM codes pass as they are, and what is
//! neither is refused later, by whoever knows which unit a vital has.

use super::Fault;

/// Longest unit, in bytes.
pub(super) const BYTES_MAX: usize = 64;

const SAME: [(&str, &str); 6] =
    [("beat/min", "/min"), ("1/min", "/min"), ("l", "L"), ("l/s", "L/s"), ("/", "1"), ("/100", "%")];

/// The UCUM code; no unit at all is a number without one.
pub(super) fn to_ucum(unit: &str) -> Result<&str, Fault> {
    if unit.len() > BYTES_MAX {
        return Err(Fault { code: "senml_unit", reason: "a unit has at most 64 bytes" });
    }
    if unit.is_empty() {
        return Ok("1");
    }
    Ok(SAME.iter().find(|(senml, _)| *senml == unit).map_or(unit, |(_, ucum)| *ucum))
}
