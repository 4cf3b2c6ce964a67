//! Where a list goes on: opaque to whoever passes it back, safe in a URL.

use vigie_service::hexadecimal;

use crate::problem::Problem;

/// Parts of a cursor are separated by a character that no id, time or name contains.
const SEPARATOR: char = '\u{1f}';

pub(crate) fn seal(parts: &[&str]) -> String {
    let text = parts.join(&SEPARATOR.to_string());
    hexadecimal(text.as_bytes())
}

/// The parts of a cursor that has exactly `N` of them.
pub(crate) fn open<const N: usize>(cursor: &str) -> Result<[String; N], Problem> {
    let wrong = || Problem::bad_request("this cursor was not given by this list");
    if cursor.len() > 2_000 || !cursor.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let bytes: Option<Vec<u8>> = cursor
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
    let parts: Vec<String> = text.split(SEPARATOR).map(str::to_owned).collect();
    <[String; N]>::try_from(parts).map_err(|_| wrong())
}

/// Reads one part.
pub(crate) fn part<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::bad_request("this cursor was not given by this list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went_and_nonsense_is_refused() {
        let sealed = seal(&["Müller", "2026-11-22T07:00:00Z"]);
        assert!(sealed.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(open::<2>(&sealed).unwrap(), ["Müller", "2026-11-22T07:00:00Z"]);
        for wrong in ["", "0", "zz", "é0", &"00".repeat(2000), &seal(&["one"])] {
            assert!(open::<2>(wrong).is_err(), "{wrong}");
        }
    }
}
