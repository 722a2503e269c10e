//! A field of an entry, before it is known what it becomes.

use crate::xml::Text;
use std::borrow::Cow;

/// A `String` of an entry.
pub(super) struct Field<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) value: Text<'a>,
    /// Its own program hides it.
    pub(super) hidden: bool,
    /// It is part of something else.
    pub(super) used: bool,
}
