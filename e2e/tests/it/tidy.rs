//! What holds for every source file.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Beyond this nobody reads a file to its end.
const LINES_MAX: usize = 600;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Source files that git knows or would know, so that neither `target/` nor an editor's files count.
fn sources(pattern: &str) -> Vec<(PathBuf, String)> {
    let output = Command::new("git")
        // Whoever owns the folder: nothing of it is run.
        .args(["-c", "safe.directory=*"])
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", pattern])
        .current_dir(root())
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "{output:?}");
    let paths = String::from_utf8(output.stdout).unwrap();
    let read = |path: &str| Some((PathBuf::from(path), std::fs::read_to_string(root().join(path)).ok()?));
    let files: Vec<(PathBuf, String)> = paths.lines().filter_map(read).collect();
    assert!(!files.is_empty(), "no {pattern}");
    files
}

#[test]
fn every_module_says_what_it_is_for() {
    for (path, text) in sources("*.rs") {
        assert!(text.starts_with("//! "), "{} does not begin with //!", path.display());
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    for (path, text) in sources("*.rs") {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_to_do_in_a_comment() {
    // Put together here, so that this file does not find itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["X", "XX"], ["to", "do!("], ["unimple", "mented!("]]
        .map(|halves| halves.concat());
    for pattern in ["*.rs", "*.sql", "*.toml", "*.sh", "*.js", "*.html", "*.proto"] {
        for (path, text) in sources(pattern) {
            for mark in &marks {
                let found = text.lines().find(|line| line.contains(mark.as_str()));
                assert!(found.is_none(), "{}: {}", path.display(), found.unwrap_or_default());
            }
        }
    }
}

#[test]
fn medical_decisions_never_ask_what_time_it_is() {
    for (path, text) in sources("crates/vitals/src/*.rs") {
        for clock in ["SystemTime", "Instant::now", "Timestamp::now", "Zoned::now"] {
            assert!(!text.contains(clock), "{} asks {clock}", path.display());
        }
    }
}

#[test]
fn every_workspace_dependency_says_why_it_is_there() {
    let (_, text) = sources("Cargo.toml").remove(0);
    let table = text.split("[workspace.dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let mut explained = false;
    for line in table.lines() {
        match line {
            "" => explained = false,
            comment if comment.starts_with('#') => explained = true,
            ours if ours.starts_with("vigie-") => {}
            line => assert!(explained, "no comment above {line}"),
        }
    }
}
