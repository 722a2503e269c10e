//! `inject`: a template with secrets in place of references.

use crate::args::inject::Inject;
use crate::config::Config;
use crate::output::{Output, clean};
use crate::secrets::environments::Opened;
use crate::secrets::fetch::Fetched;
use crate::secrets::template::Template;
use keyferry_core::files::sink;
use keyferry_core::{Error, Result};
use std::io::Read as _;
use std::path::Path;

/// Fills the template.
pub async fn run(inject: Inject, config: &Config, output: Output) -> Result<u8> {
    let template = Template::parse(&read(&inject.input)?, &inject.input)?;
    let mut opened = Opened::new(&inject.access, config, output);
    let references = template.inserts().map(|insert| &insert.reference);
    let fetched = Fetched::of(references, &mut opened).await?;
    if is_yaml(&inject.input) || is_yaml(&inject.output) {
        for insert in template.inserts().filter(|insert| insert.is_unfiltered()) {
            // What cannot be fetched, rendering says with its place.
            if fetched.value(&insert.reference).is_ok_and(|value| value.expose().contains(['\n', '\r'])) {
                output.warn(&clean(&format!(
                    "{}: a value with line breaks breaks YAML: write it through the filter json, {{{{ … | json }}}}",
                    insert.place()
                )));
            }
        }
    }
    let filled = template.render(|reference| fetched.value(reference))?;
    if inject.output == Path::new("-") {
        output.bytes(filled.expose())?;
    } else {
        sink::write(&inject.output, filled.expose())?;
        output.say(&format!("written: {}", inject.output.display()));
    }
    Ok(0)
}

/// Whether a name says YAML, also before `.tpl` and the like.
fn is_yaml(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.split('.').skip(1).any(|part| part == "yaml" || part == "yml")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text).map_err(|error| Error::io(path, error))?;
        return Ok(text);
    }
    std::fs::read(path).map_err(|error| Error::io(path, error))
}
