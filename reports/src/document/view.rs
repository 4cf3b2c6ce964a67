//! What a document shows, in words of one language: neither typst nor HTML. Both templates lay out the same view.

use serde::Serialize;

/// A whole document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct View {
    /// `fr`, `en`.
    pub language: &'static str,
    /// Title of the file, and the first heading.
    pub title: String,
    /// The first heading as it is printed.
    pub heading: String,
    /// The week with its dates.
    pub week: String,
    /// Version, correction, provisional; each in its box.
    pub marks: Vec<String>,
    /// About whom.
    pub banner: Option<Banner>,
    /// Parts in order.
    pub parts: Vec<Part>,
    /// Foot of each page: about whom and what, then how it was made, then what Vigie is not.
    pub foot: Foot,
}

/// About whom.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Banner {
    /// Surname in capitals, first name.
    pub name: String,
    /// Born, age, sex, identifier.
    pub facts: Vec<String>,
    /// Care plans and team.
    pub care: Vec<String>,
}

/// Foot of each page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Foot {
    /// What the two lines after the next are about: they are read out once, at the end of the document.
    pub title: String,
    /// Patient, week, version.
    pub about: String,
    /// Software, rules, what was known when, content hash.
    pub made: String,
    /// Not an emergency service.
    pub emergency: String,
    /// `page`, said before the number.
    pub page: String,
    /// `of`, said before the count.
    pub of: String,
}

/// One part of a document: heading, sentences, a table, pictures, sentences.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Part {
    /// Heading.
    pub title: String,
    /// Name of the part in the page, for links.
    pub id: String,
    /// How it looks.
    pub kind: Kind,
    /// Sentences before the table.
    pub lead: Vec<String>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Pictures.
    pub pictures: Vec<Picture>,
    /// Sentences after.
    pub notes: Vec<String>,
}

/// How a part looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// As it comes.
    #[default]
    Plain,
    /// The sentences that are read first.
    Summary,
    /// Figures and pictures about one thing followed.
    Panel,
    /// In a frame: a correction.
    Framed,
    /// A few sentences beside their heading.
    Brief,
}

/// A table. The first column names the row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Table {
    /// What it holds.
    pub caption: String,
    /// Heads.
    pub columns: Vec<Column>,
    /// Rows; each has as many cells as there are columns.
    pub rows: Vec<Row>,
}

/// Head of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Column {
    /// What it says.
    pub head: String,
    /// Share of the width; `0`: as wide as its content.
    pub width: u8,
    /// Numbers stand to the right.
    pub numeric: bool,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    /// Marked by a bar and a tint; the cells say in words why.
    pub marked: bool,
    /// Cells.
    pub cells: Vec<Cell>,
}

/// A cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Cell {
    /// What it says.
    pub text: String,
    /// In a smaller line under it.
    pub under: Vec<String>,
    /// The shape of a priority before the text: `high`, `medium`, `low`, `technical`.
    pub shape: Option<&'static str>,
    /// Heavier.
    pub strong: bool,
    /// Tint of a day: `complete`, `partial`, `nothing`, `paused`, `outside`.
    pub tint: Option<&'static str>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Picture {
    /// Place among the document's pictures.
    pub index: usize,
    /// What it is, printed.
    pub caption: String,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// Over the whole width, or half of it.
    pub wide: bool,
}

impl Column {
    /// A column of text.
    pub(crate) fn text(head: &str, width: u8) -> Self {
        Self { head: head.to_owned(), width, numeric: false }
    }

    /// A column of numbers.
    pub(crate) fn numbers(head: &str, width: u8) -> Self {
        Self { head: head.to_owned(), width, numeric: true }
    }
}

impl Cell {
    /// Text alone.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Heavier text.
    pub(crate) fn strong(text: impl Into<String>) -> Self {
        Self { text: text.into(), strong: true, ..Self::default() }
    }

    /// With smaller lines under it.
    pub(crate) fn under(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.under.extend(lines.into_iter().filter(|line| !line.is_empty()));
        self
    }
}

impl Row {
    /// A row that is not marked.
    pub(crate) fn of(cells: Vec<Cell>) -> Self {
        Self { marked: false, cells }
    }
}
