//! The metrics of glucose in the form in which a report carries them.

use super::super::{Metric, Period};
use super::Glucose;

impl Glucose {
    /// The numbers under their names, each with unit, period, n and whether it is sufficient. MAGE and MODD have
    /// no value under 3 days of data: they are not to be shown then (DOMAIN 2.2).
    pub fn metrics(&self) -> Vec<(&'static str, Metric)> {
        let period = Period { from: self.from, to: self.to };
        let exact = self.n - self.censored_low - self.censored_high;
        let metric = |value, unit, n, sufficient| Metric::new(value, unit, period, n, sufficient);
        let number = |value, unit| metric(value, unit, exact, self.sufficient);
        let share = |value| metric(value, "%", self.n, self.sufficient);
        let profile = |value| metric(value, "%", exact, self.profile_sufficient);
        let excursion = |value: Option<f64>| {
            let shown = value.filter(|_| self.excursions_sufficient);
            metric(shown, "mg/dL", exact, self.sufficient && self.excursions_sufficient)
        };
        vec![
            ("mean", number(self.mean, "mg/dL")),
            ("sd", number(self.sd, "mg/dL")),
            ("cv_percent", number(self.cv_percent, "%")),
            ("gmi_percent", profile(self.gmi_percent)),
            ("ea1c_percent", profile(self.ea1c_percent)),
            ("below_54_percent", share(self.below_54_percent)),
            ("below_70_percent", share(self.below_70_percent)),
            ("in_70_180_percent", share(self.in_70_180_percent)),
            ("above_180_percent", share(self.above_180_percent)),
            ("above_250_percent", share(self.above_250_percent)),
            ("lbgi", number(self.lbgi, "1")),
            ("hbgi", number(self.hbgi, "1")),
            ("adrr", number(self.adrr, "1")),
            ("j_index", number(self.j_index, "1")),
            ("gri", metric(self.gri, "1", self.n, self.sufficient)),
            ("mage", excursion(self.mage)),
            ("modd", excursion(self.modd)),
            ("active_percent", share(self.active_percent)),
            ("coverage_percent", share(self.coverage_percent)),
        ]
    }

    /// Is a value missing from the averages because it lay beyond the meter's range?
    pub fn is_censored(&self) -> bool {
        self.censored_low + self.censored_high > 0
    }
}
