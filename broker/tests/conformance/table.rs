//! The lists of statements and the cases agree.

use std::collections::HashSet;

use crate::run::expected_failures;

/// A statement: `id | who it binds | what it asks, in our words | cases, or "none: " and why`.
struct Statement {
    id: String,
    binds: String,
    cases: Vec<String>,
    reason: Option<String>,
}

/// The lists, with what the names of their cases begin with.
const LISTS: [(&str, &str); 2] =
    [("mqtt311", include_str!("statements_v311.txt")), ("mqtt5", include_str!("statements_v5.txt"))];

fn statements(text: &str) -> Vec<Statement> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [id, binds, what, how] = fields[..] else { panic!("four fields: {line}") };
            assert!(!what.is_empty(), "{line}");
            let reason = how.strip_prefix("none:").map(|reason| reason.trim().to_owned());
            let cases = match reason {
                Some(_) => Vec::new(),
                None => how.split(',').map(|case| case.trim().to_owned()).collect(),
            };
            Statement { id: id.to_owned(), binds: binds.to_owned(), cases, reason }
        })
        .collect()
}

fn names() -> Vec<&'static str> {
    [
        crate::auth::NAMES,
        crate::clients::NAMES,
        crate::connect::NAMES,
        crate::fields::NAMES,
        crate::flow::NAMES,
        crate::forwarding::NAMES,
        crate::malformed::NAMES,
        crate::order::NAMES,
        crate::publish::NAMES,
        crate::qos::NAMES,
        crate::retained::NAMES,
        crate::sessions::NAMES,
        crate::shared::NAMES,
        crate::subscribe::NAMES,
        crate::topics::NAMES,
        crate::wills::NAMES,
    ]
    .concat()
}

#[test]
fn every_statement_has_a_case_or_a_reason() {
    for (version, text) in LISTS {
        let statements = statements(text);
        let ids: HashSet<&str> = statements.iter().map(|statement| statement.id.as_str()).collect();
        assert_eq!(ids.len(), statements.len(), "{version}: a statement twice");
        for Statement { id, binds, cases, reason } in &statements {
            assert!(["server", "client", "both"].contains(&binds.as_str()), "{version} {id} binds {binds}");
            match reason {
                Some(reason) => assert!(!reason.is_empty(), "{version} {id}: no reason"),
                None => {
                    assert!(!cases.is_empty() && cases.iter().all(|case| !case.is_empty()), "{version} {id}")
                }
            }
        }
    }
}

#[test]
fn every_case_exists_and_is_in_its_list() {
    let exist: HashSet<&str> = names().into_iter().collect();
    assert_eq!(exist.len(), names().len(), "two cases of one name");
    let mut listed = HashSet::new();
    for (version, text) in LISTS {
        for statement in statements(text) {
            for case in statement.cases {
                assert!(exist.contains(case.as_str()), "{version} {}: there is no {case}", statement.id);
                assert!(case.starts_with(&format!("{version}_")), "{case} is of another version");
                listed.insert(case);
            }
        }
    }
    let missing: Vec<&&str> = exist.iter().filter(|name| !listed.contains(**name)).collect();
    assert!(missing.is_empty(), "in no list: {missing:?}");
}

#[test]
fn a_case_is_listed_under_the_statement_in_its_name() {
    for (version, text) in LISTS {
        let statements = statements(text);
        for name in names().into_iter().filter(|name| name.starts_with(&format!("{version}_"))) {
            let own = statements.iter().any(|statement| {
                let prefix = format!("{version}_{}_", statement.id.replace(['.', '-'], "_"));
                name.starts_with(&prefix) && statement.cases.iter().any(|case| case == name)
            });
            assert!(own, "{name} is not listed under its own statement");
        }
    }
}

#[test]
fn every_expected_failure_is_a_case_with_a_reason() {
    let exist: HashSet<&str> = names().into_iter().collect();
    for (name, reason) in expected_failures() {
        assert!(exist.contains(name.as_str()), "there is no {name}");
        assert!(!reason.is_empty(), "{name}: no reason");
    }
}
