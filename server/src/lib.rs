//! The embedded environment.
