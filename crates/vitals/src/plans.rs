//! The care plans that Vigie ships: rules that a physician starts from and changes for each patient.
//!
//! Every number carries its source. Those marked (proposal) or (memory) are suggestions without a published
//! rule behind them, to be confirmed by the physicians who use them. Numbers in other units are those that
//! meters show, rounded to one decimal (300 mg/dL is 16.65 mmol/L, so 16.7), not conversions.

use std::fmt;

use rust_decimal::{Decimal, dec};
use serde::{Deserialize, Serialize};

use crate::{
    ChangeRule, ChangeStep, Direction, Level, LimitRule, Priority, RuleId, RuleSpec, Side, SilenceRule, Unit,
    UnitTable, Vital,
};

/// A kind of patient, with the rules that fit most of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarePlan {
    /// Diabetes with a glucose meter.
    Diabetes,
    /// Diabetes with a sensor; fingersticks count as well, but are not expected.
    DiabetesCgm,
    /// Chronic heart failure with a scale.
    HeartFailure,
    /// Treatment with a vitamin K antagonist, target 2 to 3.
    OralAnticoagulation,
}

/// A text that names no care plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no care plan; there are diabetes, diabetes_cgm, heart_failure and oral_anticoagulation")]
pub struct UnknownCarePlan(pub String);

impl CarePlan {
    /// Every care plan.
    pub const ALL: [Self; 4] =
        [Self::Diabetes, Self::DiabetesCgm, Self::HeartFailure, Self::OralAnticoagulation];

    /// The name on the command line and in the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::Diabetes => "diabetes",
            Self::DiabetesCgm => "diabetes_cgm",
            Self::HeartFailure => "heart_failure",
            Self::OralAnticoagulation => "oral_anticoagulation",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Result<Self, UnknownCarePlan> {
        Self::ALL
            .into_iter()
            .find(|plan| plan.code() == text)
            .ok_or_else(|| UnknownCarePlan(text.chars().take(64).collect()))
    }
}

impl fmt::Display for CarePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::str::FromStr for CarePlan {
    type Err = UnknownCarePlan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The rules that a patient starts with.
pub fn default_rules(plan: CarePlan) -> Vec<(RuleId, RuleSpec)> {
    let rules = match plan {
        CarePlan::Diabetes => diabetes(),
        CarePlan::DiabetesCgm => diabetes_cgm(),
        CarePlan::HeartFailure => heart_failure(),
        CarePlan::OralAnticoagulation => oral_anticoagulation(),
    };
    rules.into_iter().map(|(id, spec)| (RuleId::from(id), spec)).collect()
}

type Named = (&'static str, RuleSpec);

fn diabetes() -> Vec<Named> {
    // "0 reading for 24 h when 4 a day are expected" (proposal, DOMAIN 2.1); the tolerance of nothing on
    // top is a setting.
    let mut rules = glucose_limits();
    rules.push(("glucose_silence", silence(Vital::Glucose, 24, 0)));
    rules
}

fn diabetes_cgm() -> Vec<Named> {
    // A sensor shows a value every few minutes; transmission is due at least weekly \[A-DIAB\]. A day without
    // any is taken as silence, like a meter's (proposal, a setting).
    let mut rules = glucose_limits();
    rules.push(("glucose_interstitial_silence", silence(Vital::GlucoseInterstitial, 24, 0)));
    rules
}

fn glucose_limits() -> Vec<Named> {
    vec![
        ("glucose_low", glucose_low(Vital::Glucose)),
        ("glucose_high", glucose_high(Vital::Glucose)),
        ("glucose_interstitial_low", glucose_low(Vital::GlucoseInterstitial)),
        ("glucose_interstitial_high", glucose_high(Vital::GlucoseInterstitial)),
    ]
}

/// Below 70 level 1, below 54 level 2 \[HYPO\]\[ADA18\], in all three units (DOMAIN 1.3). `LO` is high (proposal).
fn glucose_low(vital: Vital) -> RuleSpec {
    let levels = vec![
        below(glucose(dec!(70), dec!(0.70), dec!(3.9)), Priority::Medium),
        below(glucose(dec!(54), dec!(0.54), dec!(3.0)), Priority::High),
    ];
    limit(vital, Side::Low, levels, Some(Priority::High))
}

/// Above 250 level 2 \[HYPO\], awareness here; above 300 once medium, `HI` high (proposal, DOMAIN 2.1).
fn glucose_high(vital: Vital) -> RuleSpec {
    let levels = vec![
        above(glucose(dec!(250), dec!(2.50), dec!(13.9)), Priority::Low),
        above(glucose(dec!(300), dec!(3.00), dec!(16.7)), Priority::Medium),
    ];
    limit(vital, Side::High, levels, Some(Priority::High))
}

fn heart_failure() -> Vec<Named> {
    vec![
        // Slopes (proposal, DOMAIN 2.4 a): 1 kg in a day, 2 kg in 3 days [HFM][CARDIA], 2.5 kg in 8 days
        // (TIM-HF2, memory). Their sensitivity is poor [HF-CUBA][HF-LED]: the start, not the end.
        (
            "weight_gain",
            weight_change(
                Direction::Gain,
                vec![
                    step(weight(dec!(1), dec!(2.2)), 24, Priority::Low),
                    step(weight(dec!(2), dec!(4.4)), 72, Priority::Medium),
                    step(weight(dec!(2.5), dec!(5.5)), 192, Priority::Medium),
                ],
            ),
        ),
        // Over-diuresis, dehydration (proposal, DOMAIN 2.4 d).
        (
            "weight_loss",
            weight_change(Direction::Loss, vec![step(weight(dec!(2), dec!(4.4)), 72, Priority::Medium)]),
        ),
        // Below 90 (DOMAIN 2.4 f, memory), medium (proposal, DOMAIN 2.5).
        (
            "systolic_low",
            limit(
                Vital::Systolic,
                Side::Low,
                vec![below(pressure(dec!(90), dec!(12.0)), Priority::Medium)],
                None,
            ),
        ),
        // Above 160 (DOMAIN 2.4 f, memory); from 180 medium (proposal, DOMAIN 2.5).
        (
            "systolic_high",
            limit(
                Vital::Systolic,
                Side::High,
                vec![
                    above(pressure(dec!(160), dec!(21.3)), Priority::Low),
                    at_least(pressure(dec!(180), dec!(24.0)), Priority::Medium),
                ],
                None,
            ),
        ),
        // Below 50 and above 110 (DOMAIN 2.4 f, memory); the priority is a setting.
        (
            "pulse_low",
            limit(Vital::Pulse, Side::Low, vec![below(only(Unit::PerMinute, dec!(50)), Priority::Low)], None),
        ),
        (
            "pulse_high",
            limit(
                Vital::Pulse,
                Side::High,
                vec![above(only(Unit::PerMinute, dec!(110)), Priority::Low)],
                None,
            ),
        ),
        // Below 90 (DOMAIN 2.4 f, memory); 85 and less without waiting for a repeat (proposal, DOMAIN 2.7).
        (
            "spo2_low",
            limit(
                Vital::Spo2,
                Side::Low,
                vec![
                    below(only(Unit::Percent, dec!(90)), Priority::Medium),
                    at_most(only(Unit::Percent, dec!(85)), Priority::High),
                ],
                None,
            ),
        ),
        // Daily [A-IC]; half a day of tolerance is a setting.
        ("weight_silence", silence(Vital::Weight, 24, 12)),
    ]
}

fn oral_anticoagulation() -> Vec<Named> {
    vec![
        // Above the range but below 4 low, 4 to 6 medium, 6 and more (or ">8.0") high: the steps of the
        // HAS 2008 table [HAS-AVK] with priorities of DOMAIN 2.3 (proposal).
        (
            "inr_high",
            limit(
                Vital::Inr,
                Side::High,
                vec![
                    above(inr(dec!(3)), Priority::Low),
                    at_least(inr(dec!(4)), Priority::Medium),
                    at_least(inr(dec!(6)), Priority::High),
                ],
                None,
            ),
        ),
        // Below the range low, below 1.5 medium (proposal, DOMAIN 2.3). With a mechanical valve below 1.5
        // is high: the physician's version of the rule says so.
        (
            "inr_low",
            limit(
                Vital::Inr,
                Side::Low,
                vec![below(inr(dec!(2)), Priority::Low), below(inr(dec!(1.5)), Priority::Medium)],
                None,
            ),
        ),
        // Weekly [INRATIO]; "planned interval + 3 days" (proposal, DOMAIN 2.3). Both are settings.
        ("inr_silence", silence(Vital::Inr, 7 * 24, 3 * 24)),
    ]
}

fn limit(vital: Vital, side: Side, levels: Vec<Level>, beyond_range: Option<Priority>) -> RuleSpec {
    RuleSpec::Limit(LimitRule { vital, side, levels, beyond_range })
}

fn below(threshold: UnitTable, priority: Priority) -> Level {
    Level { threshold, inclusive: false, priority }
}

fn above(threshold: UnitTable, priority: Priority) -> Level {
    Level { threshold, inclusive: false, priority }
}

fn at_most(threshold: UnitTable, priority: Priority) -> Level {
    Level { threshold, inclusive: true, priority }
}

fn at_least(threshold: UnitTable, priority: Priority) -> Level {
    Level { threshold, inclusive: true, priority }
}

/// A jump of 10 kg is usually another person on the scale (proposal, DOMAIN 1.4).
fn weight_change(direction: Direction, steps: Vec<ChangeStep>) -> RuleSpec {
    let implausible_jump = weight(dec!(10), dec!(22.0));
    RuleSpec::Change(ChangeRule { vital: Vital::Weight, direction, steps, implausible_jump })
}

fn step(delta: UnitTable, window_hours: u32, priority: Priority) -> ChangeStep {
    ChangeStep { delta, window_hours, priority }
}

fn silence(vital: Vital, every_hours: u32, grace_hours: u32) -> RuleSpec {
    RuleSpec::Silence(SilenceRule { vital, every_hours, grace_hours })
}

fn glucose(milligrams: Decimal, grams: Decimal, millimoles: Decimal) -> UnitTable {
    UnitTable::from([
        (Unit::MilligramPerDecilitre, milligrams),
        (Unit::GramPerLitre, grams),
        (Unit::MillimolePerLitre, millimoles),
    ])
}

fn weight(kilograms: Decimal, pounds: Decimal) -> UnitTable {
    let grams = kilograms.checked_mul(dec!(1000)).unwrap_or(Decimal::MAX);
    UnitTable::from([(Unit::Kilogram, kilograms), (Unit::Gram, grams), (Unit::Pound, pounds)])
}

fn pressure(mmhg: Decimal, kilopascals: Decimal) -> UnitTable {
    UnitTable::from([(Unit::MillimetreOfMercury, mmhg), (Unit::Kilopascal, kilopascals)])
}

fn inr(ratio: Decimal) -> UnitTable {
    UnitTable::from([(Unit::Inr, ratio), (Unit::One, ratio)])
}

fn only(unit: Unit, number: Decimal) -> UnitTable {
    UnitTable::from([(unit, number)])
}
