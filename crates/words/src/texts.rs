//! The catalogues: one file per language, `key = text with {variables}`. A test keeps them complete.

use std::collections::HashMap;
use std::sync::LazyLock;

use vigie_charts::Locale;

type Catalogue = HashMap<&'static str, &'static str>;

static FRENCH: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../locales/fr.txt")));
static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../locales/en.txt")));

fn read(file: &'static str) -> Catalogue {
    file.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, text)| (key.trim(), text.trim()))
        .collect()
}

/// All texts in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts(pub Locale);

impl Texts {
    /// `fr` or `en`.
    pub fn code(self) -> &'static str {
        self.0.pick("fr", "en")
    }

    /// The text of a key; the key itself where there is none (a test makes sure that there is).
    pub fn get(self, key: &str) -> &str {
        let catalogue = match self.0 {
            Locale::Fr => &FRENCH,
            Locale::En => &ENGLISH,
        };
        catalogue.get(key).copied().unwrap_or(key)
    }

    /// With one variable filled in.
    pub fn with(self, key: &str, name: &str, value: impl std::fmt::Display) -> String {
        self.get(key).replace(&format!("{{{name}}}"), &value.to_string())
    }

    /// With several variables filled in.
    pub fn fill(self, key: &str, variables: &[(&str, &dyn std::fmt::Display)]) -> String {
        variables.iter().fold(self.get(key).to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), &value.to_string())
        })
    }

    /// `key.one` or `key.other` with `{n}`; in French 0 and 1 are singular.
    pub fn count(self, key: &str, n: impl TryInto<i64>) -> String {
        let n = n.try_into().unwrap_or(i64::MAX);
        let one = match self.0 {
            Locale::Fr => n == 0 || n == 1,
            Locale::En => n == 1,
        };
        self.with(&format!("{key}.{}", if one { "one" } else { "other" }), "n", n)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use vigie_vitals::{Flag, TimeDoubt, Vital};

    use super::*;

    fn variables(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn every_key_and_every_variable_exists_in_both_languages() {
        let keys = |catalogue: &Catalogue| catalogue.keys().copied().collect::<BTreeSet<_>>();
        assert_eq!(
            keys(&FRENCH).symmetric_difference(&keys(&ENGLISH)).collect::<Vec<_>>(),
            Vec::<&&str>::new(),
            "keys in one language only"
        );
        for (key, french) in FRENCH.iter() {
            assert_eq!(variables(french), variables(ENGLISH[key]), "variables of {key}");
            assert!(!french.is_empty() && !ENGLISH[key].is_empty(), "{key} is empty");
        }
    }

    #[test]
    fn no_key_is_given_twice() {
        for file in [include_str!("../locales/fr.txt"), include_str!("../locales/en.txt")] {
            let mut seen = BTreeSet::new();
            for (key, _) in file.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once('=')) {
                assert!(seen.insert(key.trim()), "{key} twice");
            }
        }
    }

    /// Where keys are named.
    const NAMED_BY: [&str; 4] =
        ["crates/words/src", "dashboard-api/src", "dashboard-api/templates", "reports/src"];

    /// Every file that names keys.
    fn sources() -> Vec<(std::path::PathBuf, String)> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut folders: Vec<_> = NAMED_BY.iter().map(|folder| root.join(folder)).collect();
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = std::fs::read_to_string(&path).unwrap();
                    files.push((path, text));
                }
            }
        }
        files
    }

    #[test]
    fn every_key_that_a_page_names_is_in_the_catalogue() {
        let mut named = 0;
        for (path, text) in sources() {
            for method in ["get", "with", "fill", "count"] {
                for after in text.split(&format!(".{method}(\"")).skip(1) {
                    let key = after.split('"').next().unwrap();
                    // Keys of this catalogue have a dot; maps and headers asked for by name have none.
                    if !key.contains('.') || key.contains('{') || key.contains('/') {
                        continue;
                    }
                    let keys = if method == "count" {
                        vec![format!("{key}.one"), format!("{key}.other")]
                    } else {
                        vec![key.to_owned()]
                    };
                    for key in keys {
                        assert!(FRENCH.contains_key(key.as_str()), "{key}, named in {}", path.display());
                        named += 1;
                    }
                }
            }
        }
        assert!(named > 50, "the search finds keys ({named})");
    }

    /// A flag reaches staff as a sentence, never as a name of a program.
    #[test]
    fn every_flag_of_a_reading_is_explained() {
        let of_values = [Flag::Extreme(Vital::Glucose), Flag::PulsePressure].map(Flag::as_str);
        for flag in TimeDoubt::ALL.map(TimeDoubt::as_str).into_iter().chain(of_values) {
            let key = format!("flag.{flag}");
            for locale in [Locale::Fr, Locale::En] {
                assert_ne!(Texts(locale).get(&key), key, "{key} in {}", Texts(locale).code());
            }
        }
    }

    #[test]
    fn nought_is_singular_in_french_and_plural_in_english() {
        assert_eq!(Texts(Locale::Fr).count("count.readings", 0), "0 mesure");
        assert_eq!(Texts(Locale::En).count("count.readings", 0), "0 readings");
        assert_eq!(Texts(Locale::En).count("count.readings", 1), "1 reading");
    }
}
