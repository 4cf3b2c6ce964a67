//! All that a template can see: the standard library, the fonts on board, itself and its job.

use serde_json::json;
use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, Source, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Feature, Library, LibraryExt, World};

use crate::{Job, legible};

/// IBM Plex Sans, under the SIL Open Font License (`fonts/OFL.txt`).
const FONTS: [&[u8]; 3] = [
    include_bytes!("../fonts/IBMPlexSans-Regular.ttf"),
    include_bytes!("../fonts/IBMPlexSans-SemiBold.ttf"),
    include_bytes!("../fonts/IBMPlexSans-Italic.ttf"),
];

/// Sets documents. Made once and shared: it holds the library and the fonts.
pub struct Typesetter {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
}

impl std::fmt::Debug for Typesetter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Typesetter").field("fonts", &self.fonts.len()).finish_non_exhaustive()
    }
}

impl Default for Typesetter {
    fn default() -> Self {
        Self::new()
    }
}

impl Typesetter {
    /// Reads the fonts and builds the library: some milliseconds.
    pub fn new() -> Self {
        let fonts: Vec<Font> = FONTS.iter().flat_map(|file| Font::iter(Bytes::new(*file))).collect();
        // Header cells of rows are behind this feature.
        let features = [Feature::A11yExtras].into_iter().collect();
        Self {
            library: LazyHash::new(Library::builder().with_features(features).build()),
            book: LazyHash::new(FontBook::from_fonts(&fonts)),
            fonts,
        }
    }

    pub(crate) fn world<'a>(&'a self, job: &Job<'a>) -> JobWorld<'a> {
        let mut whole = json!({
            "title": job.title, "author": job.author, "language": job.language, "pictures": job.pictures,
            "data": job.data,
        });
        legible::make(&mut whole, &self.fonts);
        JobWorld {
            typesetter: self,
            template: &job.template.source,
            job: Bytes::from_string(whole.to_string()),
        }
    }
}

/// The world of one job.
pub(crate) struct JobWorld<'a> {
    typesetter: &'a Typesetter,
    template: &'a Source,
    job: Bytes,
}

impl World for JobWorld<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.typesetter.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.typesetter.book
    }

    fn main(&self) -> FileId {
        self.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.template.id() { Ok(self.template.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let is_job = *id.root() == VirtualRoot::Project && id.vpath().get_without_slash() == "job.json";
        if is_job { Ok(self.job.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.typesetter.fonts.get(index).cloned()
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}
