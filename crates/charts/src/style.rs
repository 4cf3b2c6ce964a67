//! How the parts of a picture look: by the classes of a page's style sheet, or by attributes of their own.

use crate::Severity;

/// Where a picture gets its looks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Style {
    /// From the classes of the dashboard's style sheet: follows the page's fonts and colours.
    #[default]
    Page,
    /// From attributes in the picture: looks the same in a browser, in a PDF and on paper, in colour or in
    /// grey. Text is 10 user units high, which is 7.5 pt at 96 units to the inch.
    Print,
}

/// Text.
pub(crate) const INK: &str = "#17212b";
/// Text of less weight, axes: 7 : 1 on white.
pub(crate) const SOFT: &str = "#4a5866";
/// Hatching of a pause: 3.6 : 1 on white.
pub(crate) const HATCH: &str = "#7c8997";
/// Target range, as a line: 6 : 1 on white.
pub(crate) const TARGET_LINE: &str = "#1f6b3a";
/// Height of printed text in user units.
pub(crate) const FONT_SIZE: f64 = 10.0;

/// A part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Band,
    Grid,
    AxisLine,
    Tick,
    Unit,
    Empty,
    Line,
    SmallDot,
    Dot { late: bool },
    RangeLine,
    RangeEnd { late: bool },
    Beyond { late: bool },
    Limit(Severity),
    LimitLabel(Severity),
    AlertLine,
    AlertShape(Severity),
    Average,
    Reference,
    ReferenceLabel,
    Median,
    Pause,
    PauseLabel,
    Legend,
}

impl Style {
    /// The attribute that names a part: a class where there is a style sheet, else one that none can know.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Page => "class",
            Self::Print => "data-part",
        }
    }

    /// The attributes of an element that draws this part.
    pub(crate) fn part(self, part: Part) -> &'static str {
        match self {
            Self::Page => page(part),
            Self::Print => print(part),
        }
    }
}

/// The few attributes beside the class keep a picture readable without the style sheet.
fn page(part: Part) -> &'static str {
    match part {
        Part::Band => r#"class="band" fill-opacity="0.1""#,
        Part::Grid => r#"class="grid" stroke="currentColor" stroke-opacity="0.15""#,
        Part::AxisLine => r#"stroke="currentColor""#,
        Part::Tick => r#"class="tick" stroke="currentColor""#,
        Part::Unit => r#"class="unit""#,
        Part::Empty => r#"class="empty""#,
        Part::Line => r#"class="line" fill="none" stroke="currentColor""#,
        Part::SmallDot | Part::Dot { late: false } => r#"class="dot""#,
        Part::Dot { late: true } => r#"class="dot late""#,
        Part::RangeLine => r#"stroke="currentColor""#,
        Part::RangeEnd { .. } => "",
        Part::Beyond { late: false } => r#"class="beyond""#,
        Part::Beyond { late: true } => r#"class="beyond late""#,
        Part::Limit(severity) => match severity {
            Severity::Technical => {
                r#"class="limit technical" fill="none" stroke="currentColor" stroke-dasharray="6 4""#
            }
            Severity::Low => r#"class="limit low" fill="none" stroke="currentColor" stroke-dasharray="6 4""#,
            Severity::Medium => {
                r#"class="limit medium" fill="none" stroke="currentColor" stroke-dasharray="6 4""#
            }
            Severity::High => {
                r#"class="limit high" fill="none" stroke="currentColor" stroke-dasharray="6 4""#
            }
        },
        Part::LimitLabel(severity) => match severity {
            Severity::Technical => r#"class="limit-label technical""#,
            Severity::Low => r#"class="limit-label low""#,
            Severity::Medium => r#"class="limit-label medium""#,
            Severity::High => r#"class="limit-label high""#,
        },
        Part::AlertLine => r#"stroke="currentColor" stroke-opacity="0.4" stroke-dasharray="1 3""#,
        Part::AlertShape(_) => "",
        Part::Average => r#"class="average" fill="none" stroke="currentColor" stroke-width="2""#,
        Part::Reference => r#"class="reference" stroke="currentColor""#,
        Part::ReferenceLabel => r#"class="reference-label""#,
        Part::Median => r#"class="median" stroke="currentColor" stroke-width="2""#,
        Part::Pause => r#"class="pause""#,
        Part::PauseLabel => r#"class="pause-label""#,
        Part::Legend => r#"class="legend""#,
    }
}

/// No classes, so that no style sheet of a page that carries the picture can change it. Limits differ by
/// their dashes as well, for those who see or print no colours.
fn print(part: Part) -> &'static str {
    match part {
        Part::Band => r##"data-part="band" fill="#e4f0e8""##,
        Part::Grid => r##"data-part="grid" stroke="#dde3e8" stroke-width="0.8""##,
        Part::AxisLine => r##"stroke="#4a5866" stroke-width="1""##,
        Part::Tick => r##"data-part="tick" stroke="#4a5866" stroke-width="1""##,
        Part::Unit => r#"data-part="unit""#,
        Part::Empty => r#"data-part="empty" font-size="12""#,
        Part::Line => {
            r##"data-part="line" fill="none" stroke="#0b4a75" stroke-width="1.4" stroke-linejoin="round" stroke-linecap="round""##
        }
        Part::SmallDot => r##"data-part="dot" fill="#0b4a75""##,
        Part::Dot { late: false } => {
            r##"data-part="dot" fill="#0b4a75" stroke="#ffffff" stroke-width="0.8""##
        }
        Part::Dot { late: true } => {
            r##"data-part="dot late" fill="#ffffff" stroke="#0b4a75" stroke-width="1.4""##
        }
        Part::RangeLine => r##"stroke="#0b4a75" stroke-width="2""##,
        Part::RangeEnd { late: false } => r##"fill="#0b4a75" stroke="#0b4a75" stroke-width="1""##,
        Part::RangeEnd { late: true } => r##"fill="#ffffff" stroke="#0b4a75" stroke-width="1.4""##,
        Part::Beyond { late: false } => r##"data-part="beyond" fill="#0b4a75" stroke="#0b4a75""##,
        Part::Beyond { late: true } => r##"data-part="beyond late" fill="#ffffff" stroke="#0b4a75""##,
        Part::Limit(Severity::High) => {
            r##"data-part="limit high" fill="none" stroke="#a4161a" stroke-width="1.5" stroke-dasharray="8 3""##
        }
        Part::Limit(Severity::Medium) => {
            r##"data-part="limit medium" fill="none" stroke="#7a5800" stroke-width="1.3" stroke-dasharray="8 3 2 3""##
        }
        Part::Limit(Severity::Low) => {
            r##"data-part="limit low" fill="none" stroke="#135868" stroke-width="1.2" stroke-dasharray="4 3""##
        }
        Part::Limit(Severity::Technical) => {
            r##"data-part="limit technical" fill="none" stroke="#4a5866" stroke-width="1.2" stroke-dasharray="2 3""##
        }
        Part::LimitLabel(Severity::High) => r##"data-part="limit-label high" fill="#a4161a""##,
        Part::LimitLabel(Severity::Medium) => r##"data-part="limit-label medium" fill="#6b4e00""##,
        Part::LimitLabel(Severity::Low) => r##"data-part="limit-label low" fill="#135868""##,
        Part::LimitLabel(Severity::Technical) => r##"data-part="limit-label technical" fill="#4a5866""##,
        Part::AlertLine => r##"stroke="#7c8997" stroke-width="0.8" stroke-dasharray="1 3""##,
        Part::AlertShape(Severity::High) => {
            r##"data-part="alert-shape high" fill="#a4161a" stroke="#ffffff""##
        }
        Part::AlertShape(Severity::Medium) => {
            r##"data-part="alert-shape medium" fill="#8a6400" stroke="#ffffff""##
        }
        Part::AlertShape(Severity::Low) => r##"data-part="alert-shape low" fill="#1b7387" stroke="#ffffff""##,
        Part::AlertShape(Severity::Technical) => {
            r##"data-part="alert-shape technical" fill="#5d6b7c" stroke="#ffffff""##
        }
        Part::Average => {
            r##"data-part="average" fill="none" stroke="#17212b" stroke-width="2.2" stroke-linejoin="round""##
        }
        Part::Reference => r##"data-part="reference" stroke="#1f6b3a" stroke-width="1.3""##,
        Part::ReferenceLabel => r##"data-part="reference-label" fill="#1f6b3a" font-weight="bold""##,
        Part::Median => r##"data-part="median" stroke="#17212b" stroke-width="2.2""##,
        Part::Pause => r#"data-part="pause""#,
        Part::PauseLabel => r#"data-part="pause-label""#,
        Part::Legend => r#"data-part="legend""#,
    }
}
