//! What simulated staff find out and write, in the language of the team.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha12Rng;

/// A coded outcome for an alert of this rule, and whether the physician gives it.
pub(super) fn outcome(rule: &str, random: &mut ChaCha12Rng) -> (&'static str, bool) {
    let shares: &[(&str, u32)] = if rule.ends_with("_silence") {
        &[("technical", 65), ("known", 35)]
    } else if rule.starts_with("glucose_interstitial_low") {
        &[("true_alert_called_patient", 65), ("false_alarm_sensor", 20), ("treatment_changed", 15)]
    } else if rule.starts_with("glucose") && rule.ends_with("_low") {
        &[("true_alert_called_patient", 75), ("treatment_changed", 15), ("known", 10)]
    } else if rule.starts_with("glucose") {
        &[
            ("true_alert_called_patient", 35),
            ("known", 35),
            ("treatment_changed", 20),
            ("false_alarm_threshold", 10),
        ]
    } else if rule.starts_with("weight") {
        &[("true_alert_called_patient", 45), ("treatment_changed", 35), ("known", 20)]
    } else if rule.starts_with("inr") {
        &[("treatment_changed", 65), ("true_alert_called_patient", 25), ("known", 10)]
    } else {
        &[("true_alert_called_patient", 55), ("known", 30), ("false_alarm_sensor", 15)]
    };
    let mut drawn = random.random_range(0..100);
    for (code, share) in shares {
        if drawn < *share {
            return (code, *code == "treatment_changed");
        }
        drawn -= share;
    }
    ("known", false)
}

/// What is written when an alert was taken up. Drawn in both languages alike.
pub(super) fn remark(rule: &str, english: bool, random: &mut ChaCha12Rng) -> &'static str {
    let pairs: &[(&str, &str)] = if rule.ends_with("_silence") {
        &[
            ("Pas de réponse au téléphone, message laissé.", "No answer on the phone, left a message."),
            ("La famille va vérifier l’appareil ce soir.", "The family will look at the device tonight."),
        ]
    } else {
        &[
            ("Appel prévu dans la matinée.", "Will call this morning."),
            (
                "Pas de réponse au téléphone, nouvel essai cet après-midi.",
                "No answer, will try again this afternoon.",
            ),
            (
                "Vu avec l’infirmière libérale qui passe aujourd’hui.",
                "Spoke to the visiting nurse, who calls today.",
            ),
        ]
    };
    choose(pairs, english, random)
}

/// What is written with an outcome; empty for most.
pub(super) fn comment(outcome: &str, english: bool, random: &mut ChaCha12Rng) -> &'static str {
    let pairs: &[(&str, &str)] = match outcome {
        "true_alert_called_patient" => &[
            (
                "Joint par téléphone\u{202f}: se sent bien, conseils rappelés.",
                "Reached by phone: feels well, advice repeated.",
            ),
            ("Conseils donnés, recontrôle demandé.", "Advice given, asked to measure again."),
            ("", ""),
        ],
        "treatment_changed" => &[
            (
                "Ordonnance adaptée, patient et pharmacie prévenus.",
                "Prescription adapted, patient and pharmacy told.",
            ),
            ("", ""),
        ],
        "known" => &[("Situation déjà suivie.", "Already being followed."), ("", "")],
        "false_alarm_sensor" => &[(
            "Recontrôle normal quelques minutes plus tard.",
            "Normal when measured again a few minutes later.",
        )],
        "false_alarm_threshold" => &[(
            "Limite à rediscuter à la prochaine consultation.",
            "Limit to be discussed at the next visit.",
        )],
        "technical" => &[
            ("Appareil rechargé, les mesures arrivent de nouveau.", "Device charged, readings arrive again."),
            ("Téléphone sans réseau pendant le week-end.", "Phone without network over the weekend."),
        ],
        _ => &[("", "")],
    };
    choose(pairs, english, random)
}

fn choose(pairs: &[(&'static str, &'static str)], english: bool, random: &mut ChaCha12Rng) -> &'static str {
    pairs.choose(random).map_or("", |(french, in_english)| if english { in_english } else { french })
}
