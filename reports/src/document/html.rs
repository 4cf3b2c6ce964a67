//! The view as one self-contained page: one style element, inline SVG, no script.

use askama::Template;

use super::view::{Kind, View};

/// The text of the page's only style element.
pub(crate) const STYLE: &str = include_str!("../../templates/report.css");

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    view: &'a View,
    pictures: &'a [String],
    style: &'static str,
}

impl Page<'_> {
    /// A picture that was drawn for this view: our own writer escaped what is in it.
    fn svg(&self, index: &usize) -> &str {
        self.pictures.get(*index).map_or("", String::as_str)
    }

    /// The shape of a priority, the same as in pictures: triangle, diamond, circle, square.
    fn path(&self, priority: &str) -> &'static str {
        match priority {
            "high" => "M8 1L15 15H1Z",
            "medium" => "M8 1L15 8L8 15L1 8Z",
            "low" => "M2 8a6 6 0 1 0 12 0a6 6 0 1 0 -12 0Z",
            _ => "M2 2h12v12H2Z",
        }
    }
}

/// The page as text.
pub(crate) fn page(view: &View, pictures: &[String]) -> Result<String, askama::Error> {
    let mut page = Page { view, pictures, style: STYLE }.render()?;
    page.retain(is_shown);
    Ok(page)
}

/// Neither a control character, which a page must not contain, nor a mark of direction, which can make a text read as
/// another.
fn is_shown(c: char) -> bool {
    match c {
        '\n' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => !c.is_control(),
    }
}
