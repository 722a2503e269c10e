//! A zip archive that is no manager's export: a folder of files, each by its own format.

use keyferry_tests::Scene;
use serde_json::Value;
use std::path::PathBuf;

/// The check sum of a member (CRC-32, ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |mut sum, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
        sum
    })
}

/// An archive whose members are stored as they are.
fn zip(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or_default();
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let offset = length(&out);
        let mut common = vec![20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc(content).to_le_bytes());
        common.extend(length(content).to_le_bytes());
        common.extend(length(content).to_le_bytes());
        common.extend([u8::try_from(name.len()).unwrap_or_default(), 0, 0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (count, start) = (u8::try_from(members.len()).unwrap_or_default(), length(&out));
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, 0, count, 0]);
    out.extend(length(&directory).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn sample(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[test]
fn a_zip_of_several_files_is_read_as_a_folder_is() {
    let scene = Scene::with_environments(&["a", "b"]);
    let members = [
        ("people.csv", text("name,login,password\none,u,planted-1\n")),
        ("infra/.env", text("TOKEN=planted-2\n")),
        ("managers/chrome.csv", sample("16-browsers/chrome.csv")),
        ("managers/bitwarden.json", sample("13-bitwarden/personal.json")),
        ("readme.txt", text("no export at all\n")),
        ("inner.zip", zip(&[("x.csv", text("name,login,password\nx,u,p\n"))])),
        ("../out.csv", text("name,login,password\nevil,u,p\n")),
        ("__MACOSX/._people.csv", text("rubbish")),
        ("damaged.csv", text("name,login,password\ntwo,u,p\n")),
    ];
    let mut archive = zip(&members);
    let at = archive.windows(7).position(|bytes| bytes == b"two,u,p").unwrap_or_default();
    archive[at] ^= 1;
    let file = scene.file("all.zip", archive);
    let report = scene.run(&["--json", "import", file, "embedded:a"]).exits(3).hides("planted").json();
    let rejected: Vec<String> = report["rejected"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            format!("{} {}", one["at"].as_str().unwrap_or_default(), one["why"].as_str().unwrap_or_default())
        })
        .collect();
    for (file, why) in [
        ("readme.txt", "not known"),
        ("inner.zip", "zip"),
        ("out.csv", "leaves the archive"),
        ("damaged.csv", "damaged"),
    ] {
        assert!(rejected.iter().any(|one| one.contains(file) && one.contains(why)), "{file}: {rejected:#?}");
    }
    assert_eq!(rejected.len(), 4, "{rejected:#?}");
    let tree = scene.run(&["tree", "embedded:a"]).succeeds().stdout();
    for place in ["infra", "managers", "Imported"] {
        assert!(tree.contains(place), "{place}\n{tree}");
    }
    assert!(!tree.contains("evil"));
    // The same, unpacked; and in a folder among other files.
    std::fs::create_dir_all(scene.path("folder/sub")).unwrap_or_else(|error| panic!("{error}"));
    std::fs::copy(scene.path("all.zip"), scene.path("folder/sub/all.zip"))
        .unwrap_or_else(|error| panic!("{error}"));
    let plan: Value = scene.run(&["--json", "import", "folder", "embedded:b", "--dry-run"]).exits(3).json();
    assert_eq!(plan["create"], report["created"], "{plan}");
    scene.run(&["verify", file, "embedded:a"]).exits(3);
}

#[test]
fn a_workbook_and_an_encrypted_archive_are_no_folders() {
    let scene = Scene::with_environments(&["a"]);
    let workbook =
        zip(&[("[Content_Types].xml", text("<Types/>")), ("xl/workbook.xml", text("<workbook/>"))]);
    let file = scene.file("book.xlsx", workbook);
    scene.run(&["import", file, "embedded:a"]).exits(1).says("no records");
    let mut locked = zip(&[("a.csv", text("name,login,password\nx,u,p\n"))]);
    locked[6] |= 1;
    let central = locked.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap_or_default();
    locked[central + 8] |= 1;
    let file = scene.file("locked.zip", locked);
    scene.run(&["import", file, "embedded:a"]).exits(1).says("encrypted");
    assert_eq!(scene.run(&["tree", "embedded:a"]).succeeds().stdout(), "");
}
