//! Sample files and what they must give, and archives that are damaged in every way.

mod archive;
mod conservation;
mod samples;
mod table;
