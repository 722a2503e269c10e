//! `--format`, and the names that shells complete for it.

use clap::Command;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::Error;
use keyferry_core::formats::Format;
use std::ffi::OsStr;

/// Takes any word: whether it is a format is said by the command, with what is near it.
#[derive(Clone)]
pub struct FormatName;

impl TypedValueParser for FormatName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let names = Format::all().map(|format| PossibleValue::new(format.name()).help(format.from()));
        Some(Box::new(names))
    }
}
