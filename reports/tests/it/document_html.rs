//! The report as a page: well-formed, accessible, self-contained, and its colours can be read.

use roxmltree::{Document, Node};
use vigie_charts::Locale;
use vigie_reports::document;

use crate::document_support as support;

/// The page is written so that it is well-formed XML as well, but for its doctype and its void elements.
fn parsed(page: &str) -> String {
    let body = page.strip_prefix("<!DOCTYPE html>").unwrap();
    body.lines()
        .map(|line| if line.starts_with("<meta ") { line.replace('>', "/>") } else { line.to_owned() })
        .collect::<Vec<_>>()
        .join("\n")
}

fn elements<'a>(document: &'a Document<'a>, name: &str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.tag_name().name() == name).collect()
}

fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for (locale, code) in [(Locale::Fr, "fr"), (Locale::En, "en")] {
        pages.extend(
            support::all()
                .iter()
                .map(|(_, report)| (code.to_owned(), document::html(report, locale).unwrap())),
        );
        pages.push((code.to_owned(), document::practice_html(&support::practice(), locale).unwrap()));
    }
    pages
}

#[test]
fn every_page_is_well_formed_and_says_its_language_headings_and_heads_of_tables() {
    for (language, page) in pages() {
        let text = parsed(&page);
        let page = Document::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(page.root_element().attribute("lang"), Some(language.as_str()));
        assert_eq!(elements(&page, "h1").len(), 1);
        assert_eq!(
            elements(&page, "title")
                .iter()
                .filter(|node| node.parent().unwrap().has_tag_name("head"))
                .count(),
            1
        );
        for table in elements(&page, "table") {
            let within =
                |name: &str| table.descendants().filter(|node| node.has_tag_name(name)).collect::<Vec<_>>();
            assert!(within("caption").iter().all(|caption| !caption.text().unwrap().is_empty()));
            assert_eq!(within("caption").len(), 1);
            assert!(!within("th").is_empty());
            assert!(within("th").iter().all(|head| matches!(head.attribute("scope"), Some("col" | "row"))));
        }
        for figure in elements(&page, "figure") {
            let svg = figure.children().find(|node| node.tag_name().name() == "svg").unwrap();
            assert_eq!(svg.attribute("role"), Some("img"));
            let described = |name: &str| {
                svg.descendants().any(|node| node.tag_name().name() == name && node.text().is_some())
            };
            assert!(
                described("title")
                    && described("desc")
                    && figure.children().any(|node| node.has_tag_name("figcaption"))
            );
        }
        let mut ids: Vec<_> = page.descendants().filter_map(|node| node.attribute("id")).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "every id is given once");
    }
}

#[test]
fn a_page_loads_nothing_runs_nothing_and_has_one_style_whose_hash_is_told() {
    use sha2::{Digest, Sha256};
    for (_, page) in pages() {
        for forbidden in
            ["<script", "src=", "href=", "style=\"", "@import", "url(http", "onload", "javascript:"]
        {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        assert_eq!(page.matches("<style").count(), 1);
        assert_eq!(style, document::STYLE);
        assert_eq!(<[u8; 32]>::from(Sha256::digest(style)), document::style_sha256());
    }
}

#[test]
fn hostile_text_is_text_in_the_page() {
    let page = document::html(&support::monster(), Locale::Fr).unwrap();
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "escaped");
}

/// Relative luminance, as WCAG 2.2 defines it.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn text_has_a_contrast_of_4_5_and_shapes_of_3_on_every_ground() {
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
    let typst = include_str!("../../templates/report.typ");
    let used = |colour: &str| {
        assert!(
            document::STYLE.contains(colour) && typst.contains(colour),
            "{colour} is used in both templates"
        );
    };
    let grounds = ["#ffffff", "#eef2f5", "#fff3d6", "#f6e7c1", "#f2c9c9"];
    for text in ["#17212b", "#4a5866", "#0b4a75"] {
        used(text);
        for ground in grounds {
            assert!(contrast(text, ground) >= 4.5, "{text} on {ground}: {:.2}", contrast(text, ground));
        }
    }
    for shape in ["#a4161a", "#8a6400", "#1b7387", "#5d6b7c"] {
        used(shape);
        for ground in grounds {
            assert!(contrast(shape, ground) >= 3.0, "{shape} on {ground}: {:.2}", contrast(shape, ground));
        }
    }
}
