//! Programs that nobody here wrote and that judge our PDFs: qpdf, poppler's tools, and outloud, which checks PDF/UA-1
//! and reads a document as a screen reader would. A missing one fails the test: `scripts/setup.sh test` installs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A PDF in a folder of its own, which goes with this value.
pub(crate) struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("report.pdf"), bytes).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("report.pdf")
    }

    /// What a reader copies out of it, in reading order.
    pub(crate) fn text(&self) -> String {
        told(run(Path::new("pdftotext"), &["-raw".as_ref(), self.path().as_ref(), "-".as_ref()]))
    }

    /// No word lies outside the margins of its page.
    pub(crate) fn all_text_is_on_the_page(&self) {
        let page = told(run(Path::new("pdftotext"), &["-bbox".as_ref(), self.path().as_ref(), "-".as_ref()]));
        let number = |line: &str, name: &str| {
            let value = line.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
            value.and_then(|value| value.parse::<f64>().ok()).unwrap()
        };
        let words: Vec<&str> =
            page.lines().map(str::trim).filter(|line| line.starts_with("<word ")).collect();
        assert!(words.len() > 1_000, "{}", words.len());
        for word in words {
            // A4 is 595 by 842 points, the margins are 14 mm.
            let (left, right) = (number(word, "xMin"), number(word, "xMax"));
            assert!(
                left > 38.0 && right < 557.0 && number(word, "yMin") > 0.0 && number(word, "yMax") < 842.0,
                "{word}"
            );
        }
    }

    /// The lines of its fonts.
    pub(crate) fn fonts(&self) -> Vec<String> {
        told(run(Path::new("pdffonts"), &[self.path().as_ref()])).lines().skip(2).map(str::to_owned).collect()
    }

    /// Its structure with roles, as poppler reads it.
    pub(crate) fn structure(&self) -> String {
        told(run(Path::new("pdfinfo"), &["-struct".as_ref(), self.path().as_ref()]))
    }

    /// All its objects without compression.
    pub(crate) fn objects(&self) -> String {
        let path = self.path();
        told(run(
            Path::new("qpdf"),
            &["--qdf".as_ref(), "--object-streams=disable".as_ref(), path.as_ref(), "-".as_ref()],
        ))
    }

    /// qpdf finds no fault in syntax and streams.
    pub(crate) fn is_sound(&self) {
        let output = run(Path::new("qpdf"), &["--check".as_ref(), self.path().as_ref()]);
        assert!(output.status.success(), "{output:?}");
    }

    /// outloud finds no error. Two of its rules are left out: TBL-010 takes a table of one row with its heads for cells
    /// that were torn apart; TAG-002 takes the foot of a document of one page for prose that nobody reads out, but all
    /// that it says stands in the body as well (there is a test).
    pub(crate) fn can_be_read_out(&self, name: &str) {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/python/bin/outloud");
        let report = self.folder.path().join("outloud.json");
        let output = run(
            &program,
            &[
                "--skip".as_ref(),
                "TBL-010,TAG-002".as_ref(),
                "--json".as_ref(),
                report.as_ref(),
                self.path().as_ref(),
            ],
        );
        let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        let findings = told["results"][0]["findings"].as_array().unwrap();
        let errors: Vec<_> = findings.iter().filter(|finding| finding["severity"] == "error").collect();
        assert!(output.status.success() && errors.is_empty(), "{name}: {errors:#?}");
    }
}

fn run(program: &Path, arguments: &[&std::ffi::OsStr]) -> Output {
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; scripts/setup.sh test installs it", program.display()))
}

fn told(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
