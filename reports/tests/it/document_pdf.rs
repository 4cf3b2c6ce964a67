//! The report as PDF: conformance, words in reading order, hostile content, sameness.

use std::path::PathBuf;
use std::sync::LazyLock;

use vigie_charts::Locale;
use vigie_reports::content::Report;
use vigie_reports::document;
use vigie_typeset::Typesetter;

use crate::document_support as support;
use crate::document_tools::Written;

static TYPESETTER: LazyLock<Typesetter> = LazyLock::new(Typesetter::new);

const LOCALES: [(Locale, &str); 2] = [(Locale::Fr, "fr"), (Locale::En, "en")];

fn pdf(report: &Report, locale: Locale) -> Vec<u8> {
    vigie_testkit::logs::watch();
    document::pdf(report, locale, &TYPESETTER).unwrap()
}

/// To look at them: `VIGIE_DOCUMENTS=/tmp/documents cargo test -p vigie-reports written`.
#[test]
fn documents_are_written_into_a_folder_when_one_is_named() {
    let Some(folder) = std::env::var_os("VIGIE_DOCUMENTS").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for (name, report) in support::all() {
        for (locale, code) in LOCALES {
            let start = std::time::Instant::now();
            let bytes = pdf(&report, locale);
            println!("{name}-{code}: {} kB in {:?}", bytes.len() / 1_000, start.elapsed());
            std::fs::write(folder.join(format!("{name}-{code}.pdf")), bytes).unwrap();
            std::fs::write(
                folder.join(format!("{name}-{code}.html")),
                document::html(&report, locale).unwrap(),
            )
            .unwrap();
        }
    }
    for (locale, code) in LOCALES {
        let summary = support::practice();
        let bytes = document::practice_pdf(&summary, "practice-1", locale, &TYPESETTER).unwrap();
        std::fs::write(folder.join(format!("practice-{code}.pdf")), bytes).unwrap();
        let page = document::practice_html(&summary, locale).unwrap();
        std::fs::write(folder.join(format!("practice-{code}.html")), page).unwrap();
    }
}

#[test]
fn every_report_is_sound_archival_and_can_be_read_out() {
    for (name, report) in support::all() {
        for (locale, code) in LOCALES {
            let written = Written::new(&pdf(&report, locale));
            written.is_sound();
            written.can_be_read_out(name);
            conforms(&written, &format!("{name}-{code}"), code);
        }
    }
}

#[test]
fn the_list_of_a_practice_is_sound_archival_and_can_be_read_out() {
    let summary = support::practice();
    for (locale, code) in LOCALES {
        let written =
            Written::new(&document::practice_pdf(&summary, "practice-1", locale, &TYPESETTER).unwrap());
        written.is_sound();
        written.can_be_read_out("practice");
        conforms(&written, "practice", code);
        let text = written.text();
        assert!(text.contains("LEFÈVRE Marguerite") && text.contains("Cabinet du Port #1"), "{text}");
    }
}

/// What PDF/A-2a (ISO 19005-2, level A) and PDF/UA-1 (ISO 14289-1) ask of the file's objects.
fn conforms(written: &Written, name: &str, language: &str) {
    let fonts = written.fonts();
    assert!(!fonts.is_empty());
    for font in fonts {
        assert!(
            font.contains("IBMPlexSans") && font.contains(" yes yes yes "),
            "{name}: embedded, subset, Unicode: {font}"
        );
    }
    let objects = written.objects();
    for said in [
        "<pdfaid:part>2</pdfaid:part>",
        "<pdfaid:conformance>A</pdfaid:conformance>",
        "<pdfuaid:part>1</pdfuaid:part>",
        "/S /GTS_PDFA1",
        "/DestOutputProfile",
        "/Marked true",
        "/DisplayDocTitle true",
        "/StructTreeRoot",
        &format!("/Lang ({language})"),
    ] {
        assert!(objects.contains(said), "{name}: {said}");
    }
    for forbidden in
        ["/JavaScript", "/JS ", "/Encrypt", "/EmbeddedFile", "/Launch", "/OpenAction", "/NeedAppearances"]
    {
        assert!(!objects.contains(forbidden), "{name}: {forbidden}");
    }
    let count = |what: &str| objects.matches(what).count();
    let figures = count("/S /Figure");
    assert_eq!(count("/Alt "), figures, "{name}: every figure has alternative text");
    let structure = written.structure();
    let lines: Vec<&str> = structure.lines().map(str::trim).collect();
    let heads = lines.iter().filter(|line| line.starts_with("TH ")).count();
    assert_eq!(
        heads,
        lines.iter().filter(|line| line.starts_with("/Scope ")).count(),
        "{name}: every head has its scope"
    );
    let levels: Vec<u32> = lines
        .iter()
        .filter_map(|line| line.strip_prefix('H')?.split_whitespace().next()?.parse().ok())
        .collect();
    assert_eq!(levels.first(), Some(&1), "{name}: one title first");
    assert!(
        levels.iter().skip(1).all(|level| *level == 2),
        "{name}: then headings of the second level: {levels:?}"
    );
}

#[test]
fn words_and_numbers_come_in_reading_order_in_both_languages_for_sensor_glucose() {
    let report = support::diabetes_cgm().report();
    in_order(
        &report,
        Locale::Fr,
        &[
            "Rapport hebdomadaire",
            "Semaine 47 de 2026, du lun. 16 nov. au dim. 22 nov. 2026",
            "version 1",
            "BENALI Yanis",
            "né le 22 nov. 1950 · 76 ans · homme",
            "P-0007",
            "En bref",
            "Glucose (capteur)",
            "Dans la cible 0,70–1,80 g/L",
            "> 70 %, atteint",
            "Hypoglycémie de niveau 1 (< 0,70 g/L), du",
            "au pire 0,",
            "Glucose par zone",
            "Alertes",
            "Aucune alerte cette semaine.",
            "Limites et rythmes en vigueur",
            "Mesures attendues et reçues",
            "Pauses",
            "Aucune.",
            "Appareils",
            "Vigie n’est pas un service d’urgence",
        ],
    );
    in_order(
        &report,
        Locale::En,
        &[
            "Weekly report",
            "BENALI Yanis",
            "In short",
            "Glucose (sensor)",
            "> 70%, met",
            "No alert this week.",
        ],
    );
}

#[test]
fn words_and_numbers_come_in_reading_order_in_both_languages_for_fingersticks() {
    let report = support::diabetes().report();
    in_order(
        &report,
        Locale::Fr,
        &[
            "LEFÈVRE Marguerite",
            "née le",
            "Glycémie capillaire",
            "Alertes",
            "Haute",
            "Glycémie 0,52 g/L (limite 0,54)",
            "20 nov. à 02:10",
            "connu le 22 nov. à",
            "22 nov. à 08:12",
            "Alerte justifiée",
            "Moyenne",
            "Encore ouverte",
            "Mesures arrivées en retard",
            "Glycémie 0,52 g/L",
            "20 nov. à 02:10",
            "22 nov. à 08:05",
            "Mesures écartées",
            "Glycémie 1,21 g/L",
        ],
    );
    in_order(
        &report,
        Locale::En,
        &[
            "Glucose 0.52 g/L (limit 0.54)",
            "20 Nov at 02:10",
            "known 22 Nov at",
            "Inf. Claire Durand",
            "True alert: patient called",
            "Readings that came late",
            "Glucose 0.52 g/L",
        ],
    );
}

#[test]
fn words_and_numbers_come_in_reading_order_in_both_languages_for_heart_failure() {
    let report = support::heart_failure().report();
    in_order(
        &report,
        Locale::Fr,
        &[
            "MÉNARD DE LA TOUR Jean-Baptiste",
            "Poids",
            "Pression artérielle",
            "Pouls",
            "SpO₂",
            "Poids +2,4 kg en 3 jours",
            "Inf. Claire Durand",
            "Modifié cette semaine",
            "Dr Anne Petit",
            "seuil abaissé après",
            "Pauses",
            "déplacement en famille (Inf. Durand",
            "Appareils",
            "Balance weight-1",
            "repris le 19 nov. à 10:00",
            "Balance weight-2",
            "remis le 19 nov. à 10:05",
        ],
    );
    in_order(
        &report,
        Locale::En,
        &[
            "Weight +2.4 kg in 3 days",
            "Changed this week",
            "Dr Anne Petit",
            "Scale weight-1",
            "taken back 19 Nov at 10:00",
        ],
    );
}

#[test]
fn words_and_numbers_come_in_reading_order_in_both_languages_for_oral_anticoagulation() {
    let report = support::oral_anticoagulation().report();
    in_order(
        &report,
        Locale::Fr,
        &["KOWALCZYK Élise", "Temps dans la cible (TTR)", "INR 4,3 (limite 4)", "Traitement modifié"],
    );
    in_order(
        &report,
        Locale::En,
        &["Time in therapeutic range", "INR 4.3 (limit 4)", "Dr Anne Petit", "Treatment changed"],
    );
}

/// Without spaces: a line may end anywhere, and poppler leaves narrow ones out.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[track_caller]
fn in_order(report: &Report, locale: Locale, expected: &[&str]) {
    let text = plain(&Written::new(&pdf(report, locale)).text());
    let mut rest = text.as_str();
    for said in expected {
        let at = rest.find(&plain(said)).unwrap_or_else(|| panic!("{said:?} is not in what follows: {rest}"));
        rest = &rest[at..];
    }
    for sentence in &report.summary[locale.pick("fr", "en")] {
        assert!(text.contains(&plain(sentence)), "{sentence}");
    }
    assert!(!text.contains("report."), "a text is missing in the catalogue: {text}");
}

#[test]
fn a_report_too_thin_to_conclude_says_so_and_draws_nothing() {
    let report = support::thin().report();
    let written = Written::new(&pdf(&report, Locale::Fr));
    let text = plain(&written.text());
    assert!(
        text.contains(&plain("Données insuffisantes : 2 mesures, il en faut 14 pour conclure.")),
        "{text}"
    );
    assert!(text.contains(&plain("100 %, insuffisant")), "{text}");
    assert!(!written.objects().contains("/S /Figure"));
    let text = plain(&Written::new(&pdf(&report, Locale::En)).text());
    assert!(text.contains(&plain("Insufficient data: 2 readings, 14 needed to conclude.")), "{text}");
}

#[test]
fn what_the_foot_of_the_page_says_of_the_document_is_said_in_its_body_as_well() {
    let text = plain(&Written::new(&pdf(&support::thin().report(), Locale::Fr)).text());
    for said in
        ["vigie0.1.0·règles", "état connu au 23 nov. 2026 à 06:00 (Europe/Paris)", "appelez le 15 (112"]
    {
        assert_eq!(text.matches(&plain(said)).count(), 2, "{said}");
    }
}

#[test]
fn a_correction_says_what_it_corrects_and_why() {
    let text = plain(&Written::new(&pdf(&support::correction(), Locale::Fr)).text());
    for said in [
        "version 2, corrige la version 1",
        "Demandé par Dr Anne Petit. Motif : Le lecteur a transmis trois mesures après la fin de la semaine.",
        "3 mesures de la semaine ont été ajoutées depuis.",
    ] {
        assert!(text.contains(&plain(said)), "{said}: {text}");
    }
}

#[test]
fn hostile_and_endless_texts_are_shown_as_they_are_and_stay_on_the_page() {
    let report = support::monster();
    let written = Written::new(&pdf(&report, Locale::Fr));
    // Where a word may break anywhere there is a space of no width.
    let text: String = written.text().chars().filter(|c| !c.is_whitespace() && *c != '\u{200b}').collect();
    let hostile: String = support::HOSTILE.chars().filter(|c| !c.is_whitespace()).collect();
    assert!(text.matches(&hostile).count() > 20, "{}", text.matches(&hostile).count());
    assert!(text.contains(&"Jklmnopqrs".repeat(6)));
    assert!(text.contains("���fin"), "what no font has is marked, what only steers is dropped");
    written.all_text_is_on_the_page();
}

#[test]
fn the_same_report_and_language_give_the_same_bytes_again() {
    let report = support::heart_failure().report();
    let first = pdf(&report, Locale::Fr);
    assert_ne!(pdf(&report, Locale::En), first);
    assert!(
        first == document::pdf(&support::heart_failure().report(), Locale::Fr, &Typesetter::new()).unwrap()
    );
    let text = plain(&Written::new(&first).text());
    let hash = document::content_sha256(&report).unwrap();
    let short: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    assert!(text.contains(&format!("contenu{short}")), "the hash of the content is on the page");
}
