//! What the tests share: values in few words, arbitrary values, and reading a picture back.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use rust_decimal::Decimal;
use vigie_charts::{Datum, Point};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn paris() -> TimeZone {
    TimeZone::get("Europe/Paris").unwrap()
}

pub(crate) fn point(when: &str, value: &str) -> Point {
    Point { at: at(when), received_at: at(when), value: Datum::Exact(number(value)) }
}

/// The attributes of all elements of one part of a printed picture.
pub(crate) fn parts(svg: &str, part: &str, attribute: &str) -> Vec<String> {
    roxmltree::Document::parse(svg)
        .unwrap()
        .descendants()
        .filter(|node| node.attribute("data-part").is_some_and(|p| p.split(' ').any(|p| p == part)))
        .map(|node| node.attribute(attribute).unwrap_or_default().to_owned())
        .collect()
}

/// All that is written in a picture, titles left out.
pub(crate) fn texts(svg: &str) -> Vec<String> {
    roxmltree::Document::parse(svg)
        .unwrap()
        .descendants()
        .filter(|node| node.tag_name().name() == "text")
        .map(|node| node.text().unwrap_or_default().to_owned())
        .collect()
}

pub(crate) fn is_written(svg: &str, words: &str) -> bool {
    texts(svg).iter().any(|text| text == words)
}

/// The x of the text that says exactly this.
pub(crate) fn x_of(svg: &str, words: &str) -> f64 {
    let document = roxmltree::Document::parse(svg).unwrap();
    let node = document
        .descendants()
        .find(|node| node.tag_name().name() == "text" && node.text() == Some(words))
        .expect(words);
    node.attribute("x").unwrap().parse().unwrap()
}

/// What every picture promises, whatever it is given: it can be read back, has a name and a description,
/// needs no style sheet, and has no number that is not one, or with more than two decimals.
pub(crate) fn assert_sound(svg: &str, summary: &str) {
    let document = roxmltree::Document::parse(svg).expect(svg);
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let child = |name: &str| root.children().find(|node| node.tag_name().name() == name);
    assert!(child("title").is_some());
    if !summary.contains(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        assert_eq!(child("desc").unwrap().text().unwrap_or_default(), summary);
    }
    assert!(root.attribute("font-family").is_some_and(|family| family.contains("IBM Plex Sans")));
    for node in document.descendants().filter(|node| node.is_element()) {
        assert_eq!(node.attribute("class"), None, "a class needs a style sheet");
        assert_eq!(node.attribute("style"), None);
        for name in ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height", "r", "d"] {
            let value = node.attribute(name).unwrap_or_default();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{name}={value}");
            for piece in value.split(|c: char| !c.is_ascii_digit() && c != '.') {
                assert!(piece.split('.').nth(1).is_none_or(|decimals| decimals.len() <= 2), "{name}={value}");
            }
        }
    }
}

pub(crate) fn any_decimal() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), 0u32..10).prop_map(|(digits, scale)| Decimal::new(digits, scale))
}

pub(crate) fn any_datum() -> impl Strategy<Value = Datum> {
    prop_oneof![
        any_decimal().prop_map(Datum::Exact),
        proptest::option::of(any_decimal()).prop_map(Datum::Below),
        proptest::option::of(any_decimal()).prop_map(Datum::Above),
        (any_decimal(), any_decimal()).prop_map(|(low, high)| Datum::Range { low, high }),
    ]
}

pub(crate) fn any_time() -> impl Strategy<Value = Timestamp> {
    // Years 1 to 9000, ends of the calendar included.
    (-62_000_000_000i64..221_000_000_000).prop_map(|s| Timestamp::from_second(s).unwrap())
}
