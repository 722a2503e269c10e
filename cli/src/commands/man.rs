//! `man`: manual pages from the same definitions as the help.

use crate::args::Arguments;
use crate::args::doctor::Man;
use crate::output::Output;
use clap::CommandFactory as _;
use keyferry_core::{Error, Result};

/// Writes the main page to standard output, or each command's page into a folder.
pub fn run(man: &Man, output: Output) -> Result<u8> {
    let command = Arguments::command();
    match &man.dir {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).map_err(|error| Error::io("-", error))?;
            output.bytes(&page)?;
        }
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
            clap_mangen::generate_to(command, folder).map_err(|error| Error::io(folder, error))?;
            output.say(&format!("written: {}", folder.display()));
        }
    }
    Ok(0)
}
