//! The tree's arrows point one way: the table of who may depend on whom, kept true over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// Our crates, without the prefix, and which of our crates each may use outside of its tests.
const MAY_USE: [(&str, &[&str]); 18] = [
    ("wire", &[]),
    ("vitals", &[]),
    ("charts", &["vitals"]),
    ("words", &["vitals", "charts"]),
    ("typeset", &[]),
    ("service", &[]),
    ("pgcluster", &[]),
    ("authority", &[]),
    ("store", &["vitals"]),
    ("broker", &["wire", "store", "service"]),
    ("ingest", &["wire", "vitals", "store", "service"]),
    ("alerts", &["vitals", "store", "service"]),
    ("reports", &["vitals", "store", "service", "charts", "words", "typeset"]),
    ("dashboard-api", &["vitals", "store", "service", "charts", "words", "reports", "typeset"]),
    ("device-sim", &["wire"]),
    // For tests only; nothing that runs may use it.
    ("testkit", &["pgcluster", "store", "vitals"]),
    // The binary and the acceptance tests put everything together.
    (
        "vigie",
        &[
            "alerts",
            "authority",
            "broker",
            "dashboard-api",
            "device-sim",
            "ingest",
            "pgcluster",
            "reports",
            "service",
            "store",
            "typeset",
            "vitals",
            "wire",
        ],
    ),
    ("e2e", &["device-sim", "pgcluster", "service", "store", "vitals", "wire"]),
];

/// What a crate must never reach, through whatever other crate.
const NEVER_REACHES: [(&str, &[&str]); 9] = [
    ("authority", &["sqlx", "tokio", "axum", "rustls"]),
    ("wire", &["vigie-vitals", "sqlx", "tokio"]),
    ("vitals", &["vigie-wire", "sqlx", "tokio", "axum", "prost"]),
    ("charts", &["sqlx", "tokio", "axum"]),
    ("words", &["sqlx", "tokio", "axum"]),
    ("typeset", &["vigie-vitals", "sqlx", "tokio", "axum"]),
    ("reports", &["vigie-wire", "axum", "rumqttc", "mqtt-protocol-core"]),
    ("store", &["vigie-wire", "axum", "mqtt-protocol-core", "rumqttc", "rumqttd"]),
    ("device-sim", &["vigie-vitals", "vigie-store", "sqlx"]),
];

/// What a crate must never name itself.
const NEVER_NAMES: [(&str, &[&str]); 8] = [
    ("broker", &["vigie-vitals", "vigie-ingest", "sqlx"]),
    ("ingest", &["axum", "sqlx", "mqtt-protocol-core"]),
    ("alerts", &["vigie-wire", "axum", "sqlx", "rumqttc", "mqtt-protocol-core"]),
    ("reports", &["vitals", "store", "service", "charts", "words", "typeset"]),
    ("reports", &["sqlx", "typst"]),
    ("dashboard-api", &["vigie-wire", "sqlx", "rumqttc", "mqtt-protocol-core"]),
    ("service", &["vigie-vitals", "vigie-wire", "vigie-store", "sqlx", "axum"]),
    ("pgcluster", &["sqlx", "axum"]),
];

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    // What is being tested has been compiled: nothing is to be fetched.
    command.other_options(["--locked".to_owned(), "--offline".to_owned()]);
    command.exec().unwrap()
}

fn ours(metadata: &Metadata) -> BTreeMap<String, &Package> {
    let short = |package: &Package| package.name.strip_prefix("vigie-").unwrap_or(&package.name).to_owned();
    metadata.workspace_packages().into_iter().map(|package| (short(package), package)).collect()
}

/// The crates that a crate names outside of its tests and build script.
fn names(package: &Package) -> BTreeSet<&str> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.as_str()).collect()
}

/// Everything that ends up in the crate, over all crates in between.
fn reaches(metadata: &Metadata, from: &PackageId) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![from]);
    while let Some(id) = waiting.pop() {
        for dependency in &nodes[id].deps {
            let normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if normal && seen.insert(&dependency.pkg) {
                waiting.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| metadata[id].name.to_string()).collect()
}

#[test]
fn the_arrows_between_our_crates_point_one_way() {
    let metadata = metadata();
    let crates = ours(&metadata);
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let there: BTreeSet<&str> = crates.keys().map(String::as_str).collect();
    assert_eq!(there, known, "each crate has its line in this table");
    for (name, may_use) in MAY_USE {
        let ours = names(crates[name]);
        for used in ours.iter().filter_map(|used| used.strip_prefix("vigie-")) {
            assert!(may_use.contains(&used), "{name} uses {used}");
        }
    }
}

#[test]
fn nothing_forbidden_is_reached_through_other_crates() {
    let metadata = metadata();
    let crates = ours(&metadata);
    for (name, never) in NEVER_REACHES {
        let reached = reaches(&metadata, &crates[name].id);
        for forbidden in never {
            assert!(!reached.contains(*forbidden), "{name} reaches {forbidden}");
        }
    }
    for (name, never) in NEVER_NAMES {
        let named = names(crates[name]);
        for forbidden in never {
            assert!(!named.contains(forbidden), "{name} names {forbidden}");
        }
    }
}

#[test]
fn sql_is_spoken_by_the_store_alone() {
    let metadata = metadata();
    for (name, package) in ours(&metadata) {
        for dependency in &package.dependencies {
            let sql = ["sqlx", "jiff-sqlx", "tokio-postgres", "postgres"].contains(&dependency.name.as_str());
            assert!(!sql || name == "store", "{name} names {}", dependency.name);
        }
    }
}

#[test]
fn test_tools_stay_in_tests() {
    let metadata = metadata();
    for (name, package) in ours(&metadata) {
        for tool in ["vigie-testkit", "proptest", "thirtyfour"] {
            assert!(!names(package).contains(tool), "{name} ships {tool}");
        }
    }
}

#[test]
fn every_crate_says_what_it_is_for() {
    let metadata = metadata();
    for (name, package) in ours(&metadata) {
        assert!(
            package.description.as_ref().is_some_and(|text| text.ends_with('.')),
            "{name} has no description"
        );
        assert_eq!(package.license.as_deref(), Some("Apache-2.0"), "{name}");
    }
}
