//! A strip of days: how many measurements were expected, how many came.

use jiff::civil::Date;

use crate::picture::insufficient_words;
use crate::style::{INK, SOFT};
use crate::svg::{Anchor, N, Svg};
use crate::{Locale, Style};

/// What became of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayState {
    /// So many measurements were expected, so many came. None expected: the day does not count.
    Counted {
        /// Expected by the schedule.
        expected: u32,
        /// Received for that day.
        received: u32,
    },
    /// The schedule was paused.
    Paused,
    /// Not over yet, or outside the time of monitoring.
    Outside,
}

/// One day of the strip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdherenceDay {
    /// Local date.
    pub date: Date,
    /// What became of it.
    pub state: DayState,
}

/// Everything that [`adherence()`] needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adherence {
    /// Unique within the page.
    pub id: String,
    /// What was expected, in words.
    pub name: String,
    /// Days, by date.
    pub days: Vec<AdherenceDay>,
    /// Words and numbers.
    pub locale: Locale,
    /// Width in user units; the height follows from the count of days.
    pub width: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Symbol {
    Complete,
    Partial,
    None,
    Paused,
    Outside,
}

fn symbol(state: DayState) -> Symbol {
    match state {
        DayState::Counted { expected: 0, .. } | DayState::Outside => Symbol::Outside,
        DayState::Counted { expected, received } if received >= expected => Symbol::Complete,
        DayState::Counted { received: 0, .. } => Symbol::None,
        DayState::Counted { .. } => Symbol::Partial,
        DayState::Paused => Symbol::Paused,
    }
}

fn words(locale: Locale, symbol: Symbol) -> &'static str {
    match symbol {
        Symbol::Complete => locale.pick("complet", "complete"),
        Symbol::Partial => locale.pick("partiel", "partial"),
        Symbol::None => locale.pick("rien reçu", "nothing received"),
        Symbol::Paused => locale.pick("pause", "paused"),
        Symbol::Outside => locale.pick("non attendu", "not expected"),
    }
}

/// The text of `<desc>`.
pub fn adherence_summary(strip: &Adherence) -> String {
    let locale = strip.locale;
    let colon = locale.pick("\u{202f}: ", ": ");
    let (Some(first), Some(last)) = (strip.days.first(), strip.days.last()) else {
        return format!("{}{colon}{}.", strip.name, insufficient_words(locale));
    };
    let (mut expected, mut received) = (0u64, 0u64);
    for day in &strip.days {
        if let DayState::Counted { expected: e, received: r } = day.state {
            expected += u64::from(e);
            // What came beyond what was expected makes up for no other day.
            received += u64::from(r.min(e));
        }
    }
    let count = |wanted: Symbol| strip.days.iter().filter(|day| symbol(day.state) == wanted).count();
    let kinds: Vec<String> =
        [Symbol::Complete, Symbol::Partial, Symbol::None, Symbol::Paused, Symbol::Outside]
            .into_iter()
            .filter(|kind| count(*kind) > 0)
            .map(|kind| format!("{} {}", words(locale, kind), count(kind)))
            .collect();
    let kinds = kinds.join(", ");
    let (from, until) = (locale.full_day(first.date), locale.full_day(last.date));
    match locale {
        Locale::Fr => format!(
            "{}, du {from} au {until}{colon}mesures reçues {received} sur {expected} attendues. Jours{colon}{kinds}.",
            strip.name
        ),
        Locale::En => format!(
            "{}, {from} to {until}{colon}{received} of {expected} expected measurements received. Days{colon}{kinds}.",
            strip.name
        ),
    }
}

const ROW: f64 = 56.0;
const LEGEND: f64 = 18.0;
const MARGIN: f64 = 2.0;
/// Room for `10/12` under a symbol.
const CELL_MIN: f64 = 36.0;

/// Draws the strip: of each day its letter and date, a symbol, and the count. As many whole weeks to a row
/// as the width takes.
pub fn adherence(strip: &Adherence) -> String {
    let width = f64::from(strip.width.clamp(280, 4000));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width of at most 4000")]
    let fit = ((width - 2.0 * MARGIN) / CELL_MIN) as usize;
    let per_row = if strip.days.len() <= fit { strip.days.len().max(7) } else { (fit / 7).max(1) * 7 };
    // Ten years of days are more than anybody reads.
    let days = strip.days.get(..strip.days.len().min(3660)).unwrap_or_default();
    let rows = days.len().div_ceil(per_row).max(1);
    let height = rows as f64 * ROW + LEGEND;
    let mut svg = Svg::open(Style::Print, &strip.id, (width, height), &strip.name, &adherence_summary(strip));
    if days.is_empty() {
        crate::picture::insufficient(
            &mut svg,
            strip.locale,
            (MARGIN, MARGIN),
            width - 2.0 * MARGIN,
            height - 2.0 * MARGIN,
        );
        return svg.close();
    }
    let cell = ((width - 2.0 * MARGIN) / per_row as f64).min(64.0);
    for (row, week) in days.chunks(per_row).enumerate() {
        for (column, day) in week.iter().enumerate() {
            let x = MARGIN + cell * (column as f64 + 0.5);
            draw_day(&mut svg, strip.locale, day, (x, row as f64 * ROW), cell);
        }
    }
    legend(&mut svg, strip.locale, days, rows as f64 * ROW + 8.0);
    svg.close()
}

fn draw_day(svg: &mut Svg, locale: Locale, day: &AdherenceDay, (x, top): (f64, f64), cell: f64) {
    let soft = format!("fill=\"{SOFT}\"");
    // In a narrow strip the month is written where it begins.
    let named = cell >= 48.0 || day.date.day() == 1;
    let first_line = if named { locale.day(day.date) } else { day.date.day().to_string() };
    svg.text(
        x,
        top + 10.0,
        Anchor::Middle,
        "data-part=\"weekday\" font-weight=\"bold\"",
        locale.weekday_letter(day.date),
    );
    svg.text(x, top + 21.0, Anchor::Middle, &soft, &first_line);
    draw_symbol(svg, symbol(day.state), x, top + 32.0);
    if let DayState::Counted { expected, received } = day.state {
        let count = format!("{received}/{expected}");
        svg.text(x, top + 50.0, Anchor::Middle, "data-part=\"count\"", &count);
    }
}

/// A full disc with a tick, a half-full one, an empty one with a cross, two bars, a short dash.
fn draw_symbol(svg: &mut Svg, symbol: Symbol, x: f64, y: f64) {
    let ring = |svg: &mut Svg, fill: &str| {
        svg.raw(format_args!(
            "<circle cx=\"{}\" cy=\"{}\" r=\"6\" fill=\"{fill}\" stroke=\"{INK}\" stroke-width=\"1.2\"/>",
            N(x),
            N(y)
        ));
    };
    let stroke = |svg: &mut Svg, d: String, colour: &str| {
        svg.raw(format_args!("<path d=\"{d}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.7\"/>"));
    };
    let name = match symbol {
        Symbol::Complete => "complete",
        Symbol::Partial => "partial",
        Symbol::None => "none",
        Symbol::Paused => "paused",
        Symbol::Outside => "outside",
    };
    svg.raw(format_args!("<g data-part=\"{name}\">"));
    match symbol {
        Symbol::Complete => {
            ring(svg, "#1f6b3a");
            stroke(svg, format!("M{} {}l2 2.6l3.6 -5", N(x - 2.9), N(y + 0.2)), "#ffffff");
        }
        Symbol::Partial => {
            ring(svg, "#ffffff");
            let d = format!("M{} {}a6 6 0 0 0 12 0Z", N(x - 6.0), N(y));
            svg.raw(format_args!("<path d=\"{d}\" fill=\"#8a6400\" stroke=\"{INK}\" stroke-width=\"1.2\"/>"));
        }
        Symbol::None => {
            ring(svg, "#ffffff");
            stroke(svg, format!("M{} {}l5.4 5.4m0 -5.4l-5.4 5.4", N(x - 2.7), N(y - 2.7)), "#a4161a");
        }
        Symbol::Paused => stroke(svg, format!("M{} {}v9m4.6 -9v9", N(x - 2.3), N(y - 4.5)), INK),
        Symbol::Outside => stroke(svg, format!("M{} {}h7", N(x - 3.5), N(y)), SOFT),
    }
    svg.raw(format_args!("</g>"));
}

fn legend(svg: &mut Svg, locale: Locale, days: &[AdherenceDay], y: f64) {
    let mut present: Vec<Symbol> = days.iter().map(|day| symbol(day.state)).collect();
    present.sort_unstable();
    present.dedup();
    let mut x = MARGIN + 8.0;
    for kind in present {
        draw_symbol(svg, kind, x, y);
        let text = words(locale, kind);
        svg.text(x + 10.0, y + 3.5, Anchor::Start, "data-part=\"legend\"", text);
        x += crate::svg::text_width(text) + 32.0;
    }
}
