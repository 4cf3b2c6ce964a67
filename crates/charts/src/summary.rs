//! What a chart shows, in one or two sentences computed from its data: for those who do not see it.

use rust_decimal::Decimal;

use crate::layers::value_at;
use crate::{Chart, Datum, Layers, Limit, Locale, Side};

/// The text of `<desc>` of a chart with layers.
pub fn summary_with(chart: &Chart, layers: &Layers) -> String {
    let mut text = summary(chart);
    let sentences = [
        target(chart, layers),
        computed(chart, layers),
        sessions(chart, layers),
        pauses(chart, layers),
        (!layers.legend.is_empty()).then(|| layers.legend.clone()),
    ];
    for sentence in sentences.into_iter().flatten() {
        text.push(' ');
        text.push_str(&capitalised(&sentence));
        if !sentence.ends_with('.') {
            text.push('.');
        }
    }
    text
}

/// The target at the end, and what it was before if it changed within the period.
fn target(chart: &Chart, layers: &Layers) -> Option<String> {
    if layers.bands.is_empty() {
        return None;
    }
    let locale = chart.locale;
    let stretches = layers.stretches(chart);
    let range = |band: crate::Band| format!("{}–{}", locale.number(band.low), locale.number(band.high));
    let (last, before) = stretches.split_last()?;
    let mut text = format!("{} {}", locale.pick("cible", "target"), range(last.band));
    if let Some(former) = before.last().filter(|former| former.band != last.band) {
        let day = locale.day(chart.zone.to_datetime(last.from).date());
        text.push_str(&match locale {
            Locale::Fr => format!(" ({} avant le {day})", range(former.band)),
            Locale::En => format!(" ({} before {day})", range(former.band)),
        });
    }
    Some(text)
}

/// The last value of the moving average, and the reference in force.
fn computed(chart: &Chart, layers: &Layers) -> Option<String> {
    let within = |at| at >= chart.from && at <= chart.until;
    let of_average = layers.average.as_ref().and_then(|trend| {
        let (_, value) = trend.points.iter().rev().find(|(at, _)| within(*at))?;
        Some(format!("{} {}", trend.name, in_words(Datum::Exact(*value), chart)))
    });
    let of_reference = layers.reference.as_ref().and_then(|reference| {
        let value = value_at(&reference.steps, chart.until)?;
        Some(format!("{} {}", reference.name, in_words(Datum::Exact(value), chart)))
    });
    let words: Vec<String> = [of_average, of_reference].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(chart.locale.pick(" ; ", "; ")))
}

/// How many pairs were measured in the morning, how many in the evening.
fn sessions(chart: &Chart, layers: &Layers) -> Option<String> {
    layers.evening_from?;
    let pairs: Vec<_> = chart
        .series
        .iter()
        .filter(|p| p.at >= chart.from && p.at <= chart.until && matches!(p.value, Datum::Range { .. }))
        .collect();
    let evening = pairs.iter().filter(|point| layers.is_evening(chart, point.at)).count();
    let morning = pairs.len() - evening;
    (!pairs.is_empty()).then(|| match chart.locale {
        Locale::Fr => format!("{morning} le matin, {evening} le soir"),
        Locale::En => format!("{morning} in the morning, {evening} in the evening"),
    })
}

fn pauses(chart: &Chart, layers: &Layers) -> Option<String> {
    let locale = chart.locale;
    let day = |at| locale.day(chart.zone.to_datetime(at).date());
    let words: Vec<String> = layers
        .pauses
        .iter()
        .filter(|pause| pause.from < chart.until && pause.until.is_none_or(|until| until > chart.from))
        .map(|pause| {
            let from = day(pause.from);
            let last = |until| locale.day(Locale::last_day(until, &chart.zone));
            let mut words = match (locale, pause.until) {
                (Locale::Fr, Some(until)) => format!("pause du {from} au {}", last(until)),
                (Locale::En, Some(until)) => format!("pause {from} to {}", last(until)),
                (Locale::Fr, None) => format!("pause depuis le {from}"),
                (Locale::En, None) => format!("pause since {from}"),
            };
            if !pause.label.is_empty() {
                words.push_str(&format!(" ({})", pause.label));
            }
            words
        })
        .collect();
    (!words.is_empty()).then(|| words.join(locale.pick(" ; ", "; ")))
}

/// The text of `<desc>`.
pub fn summary(chart: &Chart) -> String {
    let locale = chart.locale;
    let first = locale.full_day(chart.zone.to_datetime(chart.from).date());
    let last = locale.full_day(Locale::last_day(chart.until, &chart.zone));
    let mut text = match locale {
        Locale::Fr => format!("{}, du {first} au {last} : ", chart.name),
        Locale::En => format!("{}, {first} to {last}: ", chart.name),
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
