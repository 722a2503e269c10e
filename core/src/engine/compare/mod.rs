//! Whether two records are equal, without keeping either: keyed digests, all of them or a sample.

pub(crate) mod digest;
pub(crate) mod sample;
pub(crate) mod set;
pub(crate) mod verify;
