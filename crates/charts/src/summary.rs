//! What a chart shows, in one or two sentences computed from its data: for those who do not see it.

use rust_decimal::Decimal;

use crate::{Chart, Datum, Limit, Locale, Side};

/// The text of `<desc>`.
pub fn summary(chart: &Chart) -> String {
    let locale = chart.locale;
    let day = |at| locale.full_day(chart.zone.to_datetime(at).date());
    let mut text = match locale {
        Locale::Fr => format!("{}, du {} au {} : ", chart.name, day(chart.from), day(chart.until)),
        Locale::En => format!("{}, {} to {}: ", chart.name, day(chart.from), day(chart.until)),
    };
    let shown: Vec<_> = chart.series.iter().filter(|p| p.at >= chart.from && p.at <= chart.until).collect();
    let Some(last) = shown.last() else {
        text.push_str(locale.pick("aucune mesure.", "no measurement."));
        text.push_str(&limits(chart));
        return text;
    };
    let count = shown.len();
    let value = in_words(last.value, chart);
    let when = locale.day_time(last.at, &chart.zone);
    text.push_str(&match locale {
        Locale::Fr => format!("{count} mesure{}, dernière {value} le {when}", plural(count)),
        Locale::En => format!("{count} measurement{}, last {value} on {when}", plural(count)),
    });
    let lows = shown.iter().filter_map(|p| p.value.low());
    let highs = shown.iter().filter_map(|p| p.value.high());
    if let (Some(low), Some(high)) = (lows.min(), highs.max()) {
        let (low, high) = (locale.number(low), locale.number(high));
        text.push_str(&match locale {
            Locale::Fr => format!(" ; minimum {low}, maximum {high}"),
            Locale::En => format!("; lowest {low}, highest {high}"),
        });
    }
    text.push('.');
    let late = shown.iter().filter(|p| p.is_late()).count();
    if late > 0 {
        text.push_str(&match locale {
            Locale::Fr => {
                format!(" {late} mesure{} arrivée{} plus d’une heure après.", plural(late), plural(late))
            }
            Locale::En => format!(" {late} arrived more than an hour late."),
        });
    }
    text.push_str(&limits(chart));
    let alerts = chart.alerts.iter().filter(|a| a.at >= chart.from && a.at <= chart.until).count();
    if alerts > 0 {
        text.push_str(&match locale {
            Locale::Fr => format!(" {alerts} alerte{}.", plural(alerts)),
            Locale::En => format!(" {alerts} alert{}.", plural(alerts)),
        });
    }
    text
}

/// A value with its unit, such as `1,12 g/L`, `HI`, `128/76 mmHg`.
pub(crate) fn in_words(value: Datum, chart: &Chart) -> String {
    let (locale, unit) = (chart.locale, &chart.unit);
    let with_unit = |text: String| if unit.is_empty() { text } else { format!("{text}\u{a0}{unit}") };
    match value {
        Datum::Exact(value) => with_unit(locale.number(value)),
        Datum::Below(None) => "LO".to_owned(),
        Datum::Above(None) => "HI".to_owned(),
        Datum::Below(Some(value)) => with_unit(format!("<\u{202f}{}", locale.number(value))),
        Datum::Above(Some(value)) => with_unit(format!(">\u{202f}{}", locale.number(value))),
        Datum::Range { low, high } => with_unit(format!("{}/{}", locale.number(high), locale.number(low))),
    }
}

fn plural(count: usize) -> &'static str {
    if count > 1 { "s" } else { "" }
}

fn limits(chart: &Chart) -> String {
    let words: Vec<String> = chart.limits.iter().filter_map(|limit| limit_in_words(limit, chart)).collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(" {}.", capitalised(&words.join(chart.locale.pick(" ; ", "; "))))
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn limit_in_words(limit: &Limit, chart: &Chart) -> Option<String> {
    let locale = chart.locale;
    let current = limit.steps.iter().rev().find(|step| step.from <= chart.until)?.value?;
    let side = match limit.side {
        Side::Low => locale.pick("limite basse", "lower limit"),
        Side::High => locale.pick("limite haute", "upper limit"),
    };
    let mut text = format!("{side} {}", locale.number(current));
    let changed = limit.steps.windows(2).rev().find_map(|pair| match pair {
        [before, after] if after.from > chart.from && after.from <= chart.until => {
            Some((before.value.filter(|value: &Decimal| *value != current)?, after.from))
        }
        _ => None,
    });
    if let Some((before, at)) = changed {
        let day = locale.day(chart.zone.to_datetime(at).date());
        text.push_str(&match locale {
            Locale::Fr => format!(" ({} avant le {day})", locale.number(before)),
            Locale::En => format!(" ({} before {day})", locale.number(before)),
        });
    }
    Some(text)
}
