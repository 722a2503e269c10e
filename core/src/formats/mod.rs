//! The files that secrets come in.
