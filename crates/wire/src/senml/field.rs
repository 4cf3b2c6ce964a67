//! One field of a record, before anybody asks what it means.

/// The content of a field; a number is still the text that it was sent as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    /// A number as text: JSON's own digits, CBOR's integer, decimal fraction or float written out.
    Number(String),
    /// A string.
    Text(String),
    /// True or false.
    Bool(bool),
    /// Anything else, such as an array or a number that is none.
    Other,
}

/// A field with its name; the integer labels of CBOR are translated to the names of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) field: Field,
}
