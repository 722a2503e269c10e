//! The law of conservation for documents of KeePass: every text and attribute ends in a record, in its place, in a mark that
//! did its work, or in a remark that names it. And its other half: no remark, reject or error shows one.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::making::File;
use keyferry_crypto::model::{Entry, Values};
use keyferry_formats::{Format, ReadOptions, json_line, reader};
use std::collections::BTreeMap;
use std::io::Cursor;

/// Every element that programs write, and some that none does; `@` stands for a token.
const DOCUMENT: &str = r#"<?xml version="1.0"?>
<KeePassFile unheard="@">
 <Meta unheard="@">
  <Generator>@</Generator><DatabaseName>@</DatabaseName><DatabaseDescription>@</DatabaseDescription><Color>@</Color>
  <MemoryProtection><ProtectNotes>@</ProtectNotes></MemoryProtection>
  <CustomIcons><Icon><UUID>@</UUID><Data>@</Data><Name>@</Name></Icon></CustomIcons>
  <CustomData><Item><Key>@</Key><Value>@</Value></Item></CustomData>
  <Binaries><Binary ID="0" unheard="@">UExBSU4=</Binary><Binary ID="1">bm90IHVzZWQ=</Binary><Binary ID="2" Compressed="True">@</Binary></Binaries>
  <RecycleBinEnabled>True</RecycleBinEnabled><RecycleBinUUID>YmJi</RecycleBinUUID>
  <Unheard><Of>@</Of></Unheard>
 </Meta>
 <Root unheard="@">
  <Group unheard="@">
   <UUID>@</UUID><Name unheard="@">@</Name><Notes>@</Notes><IconID>@</IconID><CustomIconUUID>@</CustomIconUUID><Tags>@;@</Tags>
   <Times><CreationTime>@</CreationTime><Unheard>@</Unheard></Times>
   <IsExpanded>@</IsExpanded><DefaultAutoTypeSequence>@</DefaultAutoTypeSequence><EnableAutoType>@</EnableAutoType>
   <EnableSearching>@</EnableSearching><LastTopVisibleEntry>@</LastTopVisibleEntry><PreviousParentGroup>@</PreviousParentGroup>
   <CustomData><Item><Key>@</Key><Value>@</Value></Item></CustomData>
   <Unheard><Of><This>@</This></Of></Unheard>
   <Entry unheard="@">
    <UUID>@</UUID><IconID>@</IconID><CustomIconUUID>@</CustomIconUUID><ForegroundColor>@</ForegroundColor>
    <BackgroundColor>@</BackgroundColor><OverrideURL>@</OverrideURL><QualityCheck>@</QualityCheck><Tags>@,@</Tags>
    <PreviousParentGroup>@</PreviousParentGroup>
    <Times unheard="@"><CreationTime>@</CreationTime><LastModificationTime>@</LastModificationTime><LastAccessTime>@</LastAccessTime>
     <ExpiryTime>@</ExpiryTime><Expires>True</Expires><UsageCount>@</UsageCount><LocationChanged>@</LocationChanged><Unheard>@</Unheard></Times>
    <String><Key>Title</Key><Value>@</Value></String>
    <String><Key>UserName</Key><Value ProtectInMemory="True">@</Value></String>
    <String><Key>Password</Key><Value Protected="True" unheard="@">@</Value></String>
    <String><Key>URL</Key><Value>@</Value></String>
    <String><Key>Notes</Key><Value>@</Value></String>
    <String><Key>Title</Key><Value>@</Value></String>
    <String unheard="@"><Key>@</Key><Value>@</Value><Unheard><Of>@</Of></Unheard></String>
    <String><Key>KP2A_URL</Key><Value>@</Value></String>
    <String><Key>otp</Key><Value>@</Value></String>
    <String><Key>TOTP Seed</Key><Value>@</Value></String>
    <String><Key>TOTP Settings</Key><Value>@</Value></String>
    <String><Key>TimeOtp-Secret-Hex</Key><Value>@</Value></String>
    <String><Key>KPEX_PASSKEY_RELYING_PARTY</Key><Value>@</Value></String>
    <String><Key>KPEX_PASSKEY_USERNAME</Key><Value>@</Value></String>
    <String><Key>@</Key></String>
    <Binary><Key>@</Key><Value Ref="0" /></Binary>
    <Binary><Key>@</Key><Value Ref="77" /></Binary>
    <Binary><Key>@</Key><Value>aW4gcGxhY2U=</Value><Unheard>@</Unheard></Binary>
    <Binary><Key>@</Key></Binary>
    <AutoType><Enabled>@</Enabled><DefaultSequence>@</DefaultSequence><Association><Window>@</Window><KeystrokeSequence>@</KeystrokeSequence></Association></AutoType>
    <CustomData><Item><Key>@</Key><Value>@</Value><LastModificationTime>@</LastModificationTime><Unheard>@</Unheard></Item><Unheard a="@">@</Unheard></CustomData>
    <Unheard a="@"><Of>@<This b="@">@</This></Of><Of>@</Of></Unheard>
    <History><Entry><UUID>@</UUID><String><Key>Title</Key><Value>@</Value></String></Entry><Unheard>@</Unheard></History>
   </Entry>
   <Entry><String><Key>Title</Key><Value>@</Value></String>@</Entry>
   <Group><UUID>YmJi</UUID><Name>@</Name><Tags>@</Tags>
    <Entry><UUID>@</UUID><String><Key>@</Key><Value>@</Value></String><Binary><Key>@</Key><Value>aW4gcGxhY2U=</Value></Binary></Entry>
    <Group><Name>@</Name></Group>
   </Group>
   <Group><Name>@</Name></Group>
  </Group>
  <DeletedObjects><DeletedObject><UUID>@</UUID></DeletedObject></DeletedObjects>
  <Unheard>@</Unheard>
 </Root>
 <Unheard>@</Unheard>
</KeePassFile>
"#;

/// Elements that only hold others.
const FRAME: &[&str] =
    &["KeePassFile", "Root", "Group", "Entry", "String", "Binary", "Key", "Value", "Item", "Name"];

/// The document with its tokens; for each the names of the elements that it stands in; and how many values stand beside them.
fn planted() -> (String, BTreeMap<String, Vec<String>>, u64) {
    let (mut text, mut places, mut fixed) = (String::new(), BTreeMap::new(), 0);
    let mut open: Vec<String> = Vec::new();
    let mut rest = DOCUMENT;
    let mut token = |open: &[String]| {
        let token = format!("zq{:04}qz", places.len());
        places.insert(token.clone(), open.to_vec());
        token
    };
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        for (index, piece) in before.split('@').enumerate() {
            text += &if index > 0 { token(&open) } else { String::new() };
            text += piece;
        }
        fixed += u64::from(!before.trim().is_empty() && !before.contains('@'));
        let (tag, after) = tag.split_at(tag.find('>').unwrap() + 1);
        rest = after;
        if let Some(name) = tag.strip_prefix("</") {
            assert_eq!(open.pop().as_deref(), Some(name.trim_end_matches('>')));
        } else if !tag.starts_with("<?") {
            let name = tag.trim_matches(['<', '>', '/']).split(' ').next().unwrap();
            open.push(name.to_owned());
            let inside = [&open[..], &["attribute".to_owned()]].concat();
            let mut pieces = tag.split('"');
            text += pieces.next().unwrap();
            for (index, piece) in pieces.enumerate() {
                text.push('"');
                let is_value = index % 2 == 0;
                fixed += u64::from(is_value && piece != "@");
                text += &if is_value && piece == "@" { token(&inside) } else { piece.to_owned() };
            }
            if tag.ends_with("/>") {
                open.pop();
            }
            continue;
        }
        text += tag;
    }
    (text + rest, places, fixed)
}

#[test]
fn no_value_of_a_document_is_dropped() {
    let (text, places, fixed) = planted();
    assert!(places.len() > 90, "{}", places.len());
    // Two tokens in one text are one value.
    let pairs = DOCUMENT.matches("@;@").count() as u64 + DOCUMENT.matches("@,@").count() as u64;
    let sealed = File { xml: text.clone(), ..File::default() }.made();
    for (format, bytes) in [(Format::KEEPASS_XML, text.clone().into_bytes()), (Format::KDBX, sealed)] {
        for include_trash in [false, true] {
            let options = ReadOptions {
                passphrase: Some("open sesame".into()),
                include_trash,
                ..ReadOptions::default()
            };
            let (mut carried, mut told, mut values) = (String::new(), Vec::new(), Values::default());
            for entry in reader(format, Box::new(Cursor::new(bytes.clone())), &options).unwrap() {
                match entry.unwrap() {
                    Entry::Record(record, _) => {
                        carried += std::str::from_utf8(json_line(&record).expose()).unwrap();
                    }
                    Entry::Folder(path) => carried += &path.to_string(),
                    Entry::Note(note) => told.push(note),
                    Entry::Values(found) => values = found,
                    Entry::Reject(reject) => panic!("{reject:?}"),
                }
            }
            let story = format!("{text}\n{carried}\n{told:#?}\n{values:?}");
            assert_eq!(values.lost(), 0, "{story}");
            assert_eq!(values.read, places.len() as u64 - pairs + fixed, "{story}");
            let lost: Vec<_> = places
                .iter()
                .filter(|(token, inside)| {
                    let names = inside.iter().filter(|name| !FRAME.contains(&name.as_str()));
                    let is_told =
                        names.clone().any(|name| told.iter().any(|note| note.contains(name.as_str())));
                    let reference = inside.last().is_some_and(|name| name == "UUID");
                    let frame = names.clone().next().is_none();
                    let by_kind = ["recycle bin", "an attachment", "a text between elements"];
                    let by_kind =
                        frame && told.iter().any(|note| by_kind.iter().any(|kind| note.contains(kind)));
                    !carried.contains(token.as_str()) && !is_told && !reference && !by_kind
                })
                .collect();
            assert!(lost.is_empty(), "{lost:?}\n{story}");
            // Where a record's own values go is known exactly.
            for name in ["OverrideURL", "Tags", "ExpiryTime"] {
                let of_entry = |inside: &&Vec<String>| {
                    inside.iter().any(|one| one == "Entry") && inside.last().unwrap() == name
                };
                let tokens = places.iter().filter(|(_, inside)| of_entry(inside));
                tokens.for_each(|(token, _)| {
                    assert!(carried.contains(token.as_str()), "{name} {token}\n{story}");
                });
            }
            let shown = places.keys().find(|token| told.iter().any(|note| note.contains(token.as_str())));
            assert_eq!(shown, None, "{story}");
        }
    }
}

/// Every way in which a document can be broken, and what is said of it.
#[test]
fn no_error_shows_a_value_of_a_document() {
    let (text, places, _) = planted();
    let check = |how: &str, words: &str| {
        let shown = places.keys().find(|token| words.contains(token.as_str()));
        assert_eq!(shown, None, "{how}: {words}");
    };
    let mut broken: Vec<_> =
        (0..text.len()).step_by(11).map(|cut| (format!("cut at {cut}"), text[..cut].to_owned())).collect();
    for token in places.keys().step_by(5) {
        broken.push(("a tag".into(), text.replace(token, &format!("<{token}>"))));
        broken.push(("an entity".into(), text.replace(token, &format!("&{token};"))));
        broken.push(("an attribute".into(), text.replace(token, &format!("{token}\" {token}=\"{token}"))));
    }
    for (how, document) in broken {
        match reader(
            Format::KEEPASS_XML,
            Box::new(Cursor::new(document.into_bytes())),
            &ReadOptions::default(),
        ) {
            Err(error) => check(&how, &format!("{error} {error:?} {:?}", error.next())),
            Ok(entries) => entries.for_each(|entry| match entry {
                Ok(Entry::Note(note)) => check(&how, &note),
                Ok(Entry::Reject(reject)) => check(&how, &format!("{} {}", reject.label, reject.why)),
                Ok(_) => {}
                Err(error) => check(&how, &format!("{error} {error:?} {:?}", error.next())),
            }),
        }
    }
}
