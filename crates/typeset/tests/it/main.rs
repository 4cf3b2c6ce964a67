//! Tests of typesetting: determinism, isolation, conformance, flat memory.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

use jiff::Timestamp;
use serde_json::{Value, json};
use vigie_typeset::{Job, Pdf, Template, TypesetError, Typesetter};

const PICTURE: &str = concat!(
    r#"<svg xmlns="http://www.w3.org/2000/svg" width="200" height="60" viewBox="0 0 200 60" "#,
    r##"font-family="IBM Plex Sans, sans-serif" font-size="10"><path d="M0 50L100 10L200 40" fill="none" stroke="#0b4a75"/>"##,
    r#"<text x="4" y="58">limite 0,70</text></svg>"#,
);

const SOURCE: &str = r#"
#set page(paper: "a4")
= #data.heading
#for line in data.lines [#line #parbreak()]
#table(columns: 2, table.header[Nom][Valeur], ..data.cells.flatten())
#figure(image(bytes(job.pictures.at(0)), alt: "Courbe : trois points."), caption: [Courbe])
"#;

fn data() -> Value {
    json!({"heading": "Rapport", "lines": ["Première ligne.", "Deuxième : 72,4 %."],
        "cells": [["Moyenne", "154 mg/dL"], ["Écart type", "41 mg/dL"]]})
}

fn set(typesetter: &Typesetter, template: &Template, data: &Value) -> Result<Pdf, TypesetError> {
    typesetter.pdf(&Job {
        template,
        data,
        pictures: &[PICTURE.to_owned()],
        title: "Rapport hebdomadaire",
        author: "Vigie",
        creator: "vigie 0.1.0",
        language: "fr",
        identifier: "rapport-1",
        date: "2026-11-23T05:00:00Z".parse::<Timestamp>().unwrap(),
    })
}

/// A program prints the hash of what it sets when this variable is set: for the test with two processes.
const PRINT: &str = "VIGIE_TYPESET_PRINT";

fn sum(pdf: &Pdf) -> String {
    // FNV-1a: enough to tell files apart, and no dependency.
    let hash = pdf.bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}-{}", pdf.bytes.len())
}

#[test]
fn the_same_job_gives_the_same_bytes_again_and_in_another_process() {
    let (typesetter, template) = (Typesetter::new(), Template::new("test", SOURCE));
    let first = set(&typesetter, &template, &data()).unwrap();
    if std::env::var_os(PRINT).is_some() {
        println!("sum={}", sum(&first));
        return;
    }
    let other = set(&typesetter, &template, &json!({"heading": "Autre", "lines": [], "cells": []})).unwrap();
    assert_ne!(other.bytes, first.bytes);
    assert_eq!(set(&typesetter, &template, &data()).unwrap(), first, "after another and after eviction");
    assert_eq!(set(&Typesetter::new(), &Template::new("test", SOURCE), &data()).unwrap(), first, "made anew");
    let name = "the_same_job_gives_the_same_bytes_again_and_in_another_process";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(PRINT, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("sum={}", sum(&first))), "another process: {text}");
}

#[test]
fn threads_that_set_documents_at_once_give_the_same_bytes_as_one_alone() {
    let (typesetter, template) = (Typesetter::new(), Template::new("test", SOURCE));
    let alone = set(&typesetter, &template, &data()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..4 {
                    assert_eq!(set(&typesetter, &template, &data()).unwrap(), alone);
                }
            });
        }
    });
}

#[test]
fn a_document_says_which_standards_it_keeps_and_when_it_was_made() {
    let pdf = set(&Typesetter::new(), &Template::new("test", SOURCE), &data()).unwrap();
    assert_eq!(pdf.warnings, Vec::<String>::new());
    let text = String::from_utf8_lossy(&pdf.bytes);
    for said in [
        "<pdfaid:part>2</pdfaid:part>",
        "<pdfaid:conformance>A</pdfaid:conformance>",
        "<pdfuaid:part>1</pdfuaid:part>",
        "2026-11-23T05:00:00",
        "vigie 0.1.0",
        "/Marked true",
        "/DisplayDocTitle true",
    ] {
        assert!(text.contains(said), "{said}");
    }
}

#[test]
fn markup_in_data_is_text() {
    let hostile = "#panic() *x* <script> $ `#read(\"/etc/passwd\")` @ref \\ [ ] // = titre";
    let data = json!({"heading": hostile, "lines": [hostile, "= no heading", "- no list"], "cells": [[hostile, "1"]]});
    let pdf = set(&Typesetter::new(), &Template::new("test", SOURCE), &data).unwrap();
    assert_eq!(pdf.warnings, Vec::<String>::new());
}

#[test]
fn characters_that_no_font_has_do_not_cost_the_document() {
    let strange = "名前 😀 \u{e001} \u{0} \u{7} \u{202e}txet \u{feff} a\u{301} \u{ffff} \u{10ffff} \r\n fin";
    let data = json!({"heading": strange, "lines": [strange], "cells": [[strange, strange]]});
    let pdf = set(&Typesetter::new(), &Template::new("test", SOURCE), &data).unwrap();
    assert_eq!(pdf.warnings, Vec::<String>::new());
}

#[test]
fn a_template_reaches_neither_files_nor_packages_nor_the_clock() {
    for source in [
        "#read(\"/etc/passwd\")",
        "#read(\"../../../../etc/passwd\")",
        "#include \"/etc/passwd\"",
        "#import \"@preview/example:0.1.0\": *",
        "#image(\"/picture.png\", alt: \"x\")",
        "#datetime.today()",
    ] {
        let error = set(&Typesetter::new(), &Template::new("bad", source), &data()).unwrap_err();
        assert!(matches!(error, TypesetError::Template(_)), "{source}: {error}");
    }
}

#[test]
fn what_would_not_conform_is_refused_with_its_reason() {
    // A picture without alternative text.
    let source = "#image(bytes(job.pictures.at(0)))";
    let error = set(&Typesetter::new(), &Template::new("bad", source), &data()).unwrap_err();
    assert!(matches!(error, TypesetError::NotConformant(_)), "{error}");
    assert!(error.to_string().contains("alt"), "{error}");
}

#[test]
fn a_fault_names_the_line_of_the_template() {
    let source = "= Title\n\n#data.nothing";
    let error = set(&Typesetter::new(), &Template::new("weekly", source), &data()).unwrap_err();
    assert!(error.to_string().contains("weekly, line 3: "), "{error}");
}
