//! Delinea (Thycotic) Secret Server's XML.
//!
//! Signature: `ImportFile` with `Secrets` or `Folders`. Mapping: `\` nests; items of a secret by their slugs: user name, password,
//! address and notes fill the record; every other one, a machine or server too, is a field by its name. Backup codes are a
//! hidden field.
//! Resolved: templates. Told: groups, sites, templates, rights of folders; files, of which the export has only names, are fields.
//! The whole document is kept in memory.

use super::{child, each, inner};
use crate::columns::kind_of;
use crate::head::{Fit, Head};
use crate::json::Members;
use crate::managers::item::{Item, OWN, folders};
use crate::managers::items::Kept;
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    (head.has_element("ImportFile/Secrets") || head.has_element("ImportFile/Folders")).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "ImportFile", "Secret Server")?;
    let mut list = child(&mut members, "Folders");
    for (at, folder) in each(&mut list, "Folder") {
        let (at, mut folder) = (format!("/ImportFile/Folders/{at}"), inner(folder));
        let name = document.name(&mut folder, &["FolderName"]);
        let mut path = folders(&document.name(&mut folder, &["FolderPath"]), '\\');
        if path.folders.last() != Some(&name) && !name.is_empty() {
            path.folders.push(name);
        }
        document.place(path, &at);
        document.leave_rest(folder, &at);
    }
    document.leave_rest(list, "/ImportFile/Folders");
    let mut list = child(&mut members, "Secrets");
    document.elements(&mut list, "Secret", "/ImportFile/Secrets", &Place::default());
    document.leave_rest(list, "/ImportFile/Secrets");
    document.leave_rest(members, "/ImportFile");
    Ok(document.entries(Box::new(fill)))
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    item.record.name = item.text(&mut members, "SecretName");
    let path = item.text(&mut members, "FolderPath");
    item.record.path = folders(&path, '\\');
    item.resolve(&mut members, &["SecretTemplateName", "SecretTemplateId", "SecretId", "SiteId", "FolderId"]);
    for (_, list) in each(&mut members, "SecretItems") {
        let mut list = inner(list);
        for (at, value) in each(&mut list, "SecretItem") {
            secret_item(item, inner(value), &format!("SecretItems/{at}"));
        }
        item.unknown("SecretItems", list);
    }
    let code = item.text(&mut members, "TotpKey");
    item.code("TOTP", code);
    let codes = item.text(&mut members, "TotpBackupCodes");
    item.field("TOTP Backup Codes", CustomKind::Password, codes);
    item.leave("", &mut members, &["Permissions", "SecretDependencies"], OWN);
    item.unknown("", members);
    Kept::Record
}

/// One item.
fn secret_item(item: &mut Item<'_>, mut members: Members, at: &str) {
    let slug = item.mark(&mut members, "Slug").to_ascii_lowercase();
    item.resolve(&mut members, &["FieldId"]);
    let value = item.text(&mut members, "Value");
    let fills = match slug.as_str() {
        "username" => item.record.login.is_empty(),
        "password" => item.record.password.is_none(),
        "url" => item.record.url.is_empty(),
        "notes" => true,
        _ => false,
    };
    if value.is_empty() || fills {
        item.resolve(&mut members, &["FieldName"]);
        match slug.as_str() {
            _ if value.is_empty() => {}
            "username" => item.login(value),
            "password" => item.password("Password", value),
            "url" => item.url(value),
            _ => item.note(&value),
        }
        return item.unknown(at, members);
    }
    let mut label = item.text(&mut members, "FieldName");
    item.unknown(at, members);
    // A label in another language says less than its slug.
    let hidden = [kind_of(&label), kind_of(&slug.replace('-', " "))].contains(&CustomKind::Password);
    if label.is_empty() {
        label = slug;
    }
    item.field(label, if hidden { CustomKind::Password } else { CustomKind::Text }, value);
}
