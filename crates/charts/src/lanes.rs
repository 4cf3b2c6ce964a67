//! Alerts as lanes, one for each rule, on the same time axis as the charts over time.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::frame::time_axis;
use crate::scale::{Axis, LEFT, Period, RIGHT};
use crate::style::{Part, SOFT};
use crate::svg::{Anchor, N, Svg, escape};
use crate::{Locale, Severity, Style, shapes};

/// An alert in its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneMark {
    /// How urgent it is.
    pub severity: Severity,
    /// When it happened.
    pub happened_at: Timestamp,
    /// When somebody resolved it; `None` while it is open.
    pub resolved_at: Option<Timestamp>,
    /// One sentence, shown on hovering.
    pub label: String,
}

/// A rule and its alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The rule in words.
    pub label: String,
    /// Its alerts, by time.
    pub marks: Vec<LaneMark>,
}

/// Everything that [`lanes()`] needs.
#[derive(Debug, Clone)]
pub struct Lanes {
    /// Unique within the page.
    pub id: String,
    /// What it is, in words.
    pub name: String,
    /// Left end of the time axis.
    pub from: Timestamp,
    /// Right end of the time axis.
    pub until: Timestamp,
    /// Lanes, from top to bottom.
    pub lanes: Vec<Lane>,
    /// Words and numbers.
    pub locale: Locale,
    /// The patient's time zone.
    pub zone: TimeZone,
    /// Width in user units, as of the chart that it stands under; the height follows from the count of lanes.
    pub width: u32,
}

impl Lanes {
    /// Was this alert there at any time of the period?
    fn shows(&self, mark: &LaneMark) -> bool {
        mark.happened_at <= self.until && mark.resolved_at.is_none_or(|resolved| resolved >= self.from)
    }

    fn is_open(&self, mark: &LaneMark) -> bool {
        mark.resolved_at.is_none_or(|resolved| resolved > self.until)
    }
}

fn severity_words(locale: Locale, severity: Severity) -> &'static str {
    match severity {
        Severity::High => locale.pick("haute", "high"),
        Severity::Medium => locale.pick("moyenne", "medium"),
        Severity::Low => locale.pick("basse", "low"),
        Severity::Technical => locale.pick("technique", "technical"),
    }
}

/// The text of `<desc>`.
pub fn lanes_summary(lanes: &Lanes) -> String {
    let locale = lanes.locale;
    let colon = locale.pick("\u{202f}: ", ": ");
    let first = locale.full_day(lanes.zone.to_datetime(lanes.from).date());
    let last = locale.full_day(Locale::last_day(lanes.until, &lanes.zone));
    let period = match locale {
        Locale::Fr => format!("{}, du {first} au {last}", lanes.name),
        Locale::En => format!("{}, {first} to {last}", lanes.name),
    };
    let words: Vec<String> = lanes
        .lanes
        .iter()
        .filter_map(|lane| {
            let shown: Vec<&LaneMark> = lane.marks.iter().filter(|mark| lanes.shows(mark)).collect();
            let open = shown.iter().filter(|mark| lanes.is_open(mark)).count();
            let count = shown.len();
            let plural = if count > 1 { "s" } else { "" };
            let of_lane = match locale {
                Locale::Fr => format!("{}{colon}{count} alerte{plural} dont {open} en cours", lane.label),
                Locale::En => format!("{}{colon}{count} alert{plural}, {open} open", lane.label),
            };
            (count > 0).then_some(of_lane)
        })
        .collect();
    if words.is_empty() {
        return format!("{period}{colon}{}.", locale.pick("aucune alerte", "no alert"));
    }
    format!("{period}{colon}{}.", words.join(locale.pick(" ; ", "; ")))
}

const LANE: f64 = 32.0;
const AXIS: f64 = 26.0;
const LEGEND: f64 = 18.0;
/// More rules than anybody has: what lies beyond is left out of the picture, not of the words.
const LANES_MAX: usize = 60;

/// Draws the lanes: the rule's words, under them a bar from when an alert happened to when it was resolved,
/// headed by the shape of its priority. An arrow leaves the picture to the right while the alert is open,
/// and to the left if it is older than the picture.
pub fn lanes(lanes: &Lanes) -> String {
    let width = f64::from(lanes.width.clamp(200, 4000));
    let shown = lanes.lanes.get(..lanes.lanes.len().min(LANES_MAX)).unwrap_or_default();
    let bottom = shown.len().max(1) as f64 * LANE + 4.0;
    let height = bottom + AXIS + LEGEND;
    let mut svg = Svg::open(Style::Print, &lanes.id, (width, height), &lanes.name, &lanes_summary(lanes));
    let right = width - RIGHT;
    let time = Axis::of_time(lanes.from, lanes.until, LEFT, right);
    let period = Period {
        from: lanes.from,
        until: lanes.until,
        zone: &lanes.zone,
        locale: lanes.locale,
        weekdays: right - LEFT >= 500.0,
    };
    for tick in period.ticks(366) {
        let x = time.when(tick.at);
        svg.line((x, 2.0), (x, bottom), Style::Print.part(Part::Grid));
    }
    for (index, lane) in shown.iter().enumerate() {
        let top = index as f64 * LANE;
        svg.text(LEFT, top + 12.0, Anchor::Start, "data-part=\"lane\" font-weight=\"bold\"", &lane.label);
        svg.line((LEFT, top + LANE), (right, top + LANE), Style::Print.part(Part::Grid));
        for mark in lane.marks.iter().filter(|mark| lanes.shows(mark)) {
            draw_mark(&mut svg, lanes, mark, &time, (top + 22.0, right));
        }
    }
    if !lanes.lanes.iter().flat_map(|lane| &lane.marks).any(|mark| lanes.shows(mark)) {
        // No alert is good news and no lack of data.
        let words = lanes.locale.pick("Aucune alerte sur la période", "No alert in this period");
        svg.text((LEFT + right) / 2.0, bottom - 8.0, Anchor::Middle, "data-part=\"empty\"", words);
    }
    time_axis(&mut svg, &period, &time, (right, bottom), Style::Print);
    legend(&mut svg, lanes, height - 6.0);
    svg.close()
}

fn draw_mark(svg: &mut Svg, lanes: &Lanes, mark: &LaneMark, time: &Axis, (y, right): (f64, f64)) {
    let older = mark.happened_at < lanes.from;
    let open = lanes.is_open(mark);
    let start = time.when(mark.happened_at).max(LEFT);
    let end =
        if open { right } else { time.when(mark.resolved_at.unwrap_or(lanes.until)).clamp(start, right) };
    let colour = match mark.severity {
        Severity::High => "#a4161a",
        Severity::Medium => "#8a6400",
        Severity::Low => "#1b7387",
        Severity::Technical => "#5d6b7c",
    };
    let kind = if open { "open" } else { "resolved" };
    svg.raw(format_args!("<g data-part=\"mark {kind}\"><title>{}</title>", escape(&mark.label)));
    svg.line((start, y), (end, y), &format!("data-part=\"bar\" stroke=\"{colour}\" stroke-width=\"3\""));
    if open {
        let head = (N(end + 7.0), N(end), N(y - 4.0), N(y + 4.0));
        svg.raw(format_args!(
            "<path data-part=\"open-end\" d=\"M{} {}L{} {}L{} {}Z\" fill=\"{colour}\"/>",
            head.0,
            N(y),
            head.1,
            head.2,
            head.1,
            head.3
        ));
        svg.text(end + 9.0, y + 3.5, Anchor::Start, "", lanes.locale.pick("en cours", "open"));
    } else {
        svg.line((end, y - 4.0), (end, y + 4.0), &format!("stroke=\"{colour}\" stroke-width=\"2\""));
    }
    if older {
        svg.raw(format_args!(
            "<path data-part=\"older\" d=\"M{} {}L{} {}L{} {}Z\" fill=\"{colour}\"/>",
            N(start - 9.0),
            N(y),
            N(start),
            N(y - 4.0),
            N(start),
            N(y + 4.0)
        ));
    }
    svg.raw(format_args!(
        "<path {} d=\"{}\"/></g>",
        Style::Print.part(Part::AlertShape(mark.severity)),
        shapes::alert(mark.severity, if older { start + 8.0 } else { start }, y)
    ));
}

/// The shapes that are there, with the word of their priority.
fn legend(svg: &mut Svg, lanes: &Lanes, y: f64) {
    let marks = || lanes.lanes.iter().flat_map(|lane| &lane.marks).filter(|mark| lanes.shows(mark));
    let mut x = LEFT + 8.0;
    for severity in [Severity::High, Severity::Medium, Severity::Low, Severity::Technical] {
        if !marks().any(|mark| mark.severity == severity) {
            continue;
        }
        svg.raw(format_args!(
            "<path {} d=\"{}\"/>",
            Style::Print.part(Part::AlertShape(severity)),
            shapes::alert(severity, x, y - 3.5)
        ));
        let words = match lanes.locale {
            Locale::Fr => format!("priorité {}", severity_words(lanes.locale, severity)),
            Locale::En => format!("{} priority", severity_words(lanes.locale, severity)),
        };
        let words = if severity == Severity::Technical {
            lanes.locale.pick("technique", "technical")
        } else {
            &words
        };
        svg.text(x + 11.0, y, Anchor::Start, &format!("data-part=\"legend\" fill=\"{SOFT}\""), words);
        x += crate::svg::text_width(words) + 34.0;
    }
}
