//! Vectors made by Passwork's official client, and properties that hold for any input.

mod passwords;
mod properties;
mod vectors;
