//! Nothing of people's own files arrives hollow: what is not carried is told, foreign files are named, and no message shows
//! a value. The readers' own test is `core/formats/tests/formats/conservation.rs`; here the command line is asked.

use keyferry_tests::Scene;

/// A table in a language, and where its columns go.
#[test]
fn headers_are_known_in_many_languages() {
    let scene = Scene::with_environments(&["a"]);
    for (number, (header, delimiter)) in [
        ("Titel;Benutzername;Kennwort;Webseite;Bemerkung", ';'),
        ("Nom,Identifiant,Mot de passe,Site web,Commentaires", ','),
        ("Nombre,Usuario,Contraseña,Sitio web,Notas", ','),
        ("Nome;Usuário;Senha;Endereço;Observações", ';'),
        ("Titolo,Utente,Parola,Sito,Note", ','),
        ("Название;Логин;Пароль;Ссылка;Примечание", ';'),
        ("名称,用户名,密码,网址,备注", ','),
        ("タイトル,ユーザー名,パスワード,サイト,メモ", ','),
        ("Nazwa;Użytkownik;Hasło;Strona;Uwagi", ';'),
        ("Naam,Gebruikersnaam,Wachtwoord,Website,Opmerkingen", ','),
        ("이름,사용자,비밀번호,웹사이트,메모", ','),
        ("Başlık;Kullanıcı adı;Şifre;Bağlantı;Açıklama", ';'),
    ]
    .into_iter()
    .enumerate()
    {
        let row = ["n", "u", "planted", "u.example", "d"].join(&delimiter.to_string());
        let name = format!("{number}.csv");
        let file = scene.file(&name, format!("{header}\n{row}\n"));
        let report = scene.run(&["--json", "import", file, "embedded:a", "--on-conflict", "skip"]);
        let values = report.json()["values"].clone();
        assert_eq!((values["read"].as_u64(), values["carried"].as_u64()), (Some(5), Some(5)), "{header}");
        scene.run(&["get", "--from", "embedded:a", "Imported/n", "--field", "login"]).prints("u");
        scene.run(&["get", "--from", "embedded:a", "Imported/n"]).succeeds().prints("planted");
    }
}

#[test]
fn a_file_without_a_password_column_is_refused_with_the_mapping_to_add() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", "name,login,Losung\nn,u,xK9#planted\n");
    scene
        .run(&["import", file, "embedded:a"])
        .exits(1)
        .says("--map 3=password")
        .hides("planted")
        .hides("Losung");
    scene.run(&["import", file, "embedded:a", "--map", "3=password"]).succeeds();
    scene.run(&["get", "--from", "embedded:a", "Imported/n"]).prints("xK9#planted");
    let notes = scene.file("b.csv", "name,notes\nn2,only text\n");
    scene.run(&["import", notes, "embedded:a"]).exits(1).says("--no-password");
    scene.run(&["import", notes, "embedded:a", "--no-password"]).succeeds().prints("2 of 2 values carried");
}

#[test]
fn a_file_without_a_header_shows_nothing_of_its_first_record() {
    let scene = Scene::with_environments(&["a"]);
    for text in [
        "Router,admin,planted-1,planted-2\nSwitch,admin,planted-3,x\n",
        "Bank;me;planted-1;https://planted.example\n",
        "password,planted-1,planted-2\nx,y,z\n",
        "name\nplanted-1\n",
    ] {
        let file = scene.file("a.csv", text);
        for words in [&["import"][..], &["--json", "import"], &["-v", "import"]] {
            let run = scene.run(&[words, &[file, "embedded:a", "--dry-run"]].concat());
            run.hides("planted");
        }
    }
}

#[test]
fn foreign_files_are_named_and_refused() {
    let scene = Scene::with_environments(&["a"]);
    let keeper = r#"{"shared_folders":[],"records":[{"title":"n","$type":"login","password":"planted","custom_fields":{}}]}"#;
    let psono = r#"{"folders":[{"name":"f","items":[{"type":"website_password","name":"n","website_password_password":"planted"}]}]}"#;
    let keepass = r#"<?xml version="1.0"?><KeePassFile><Root/></KeePassFile>"#;
    let sops = r#"{"key":"ENC[planted]","sops":{"mac":"x"}}"#;
    // What has a reader of its own is read by that one alone.
    for (text, name) in [(keeper, "Keeper"), (psono, "Psono")] {
        let file = scene.file("a.json", text);
        for format in ["passwork-json", "csv", "jsonl"] {
            scene
                .run(&["import", file, "embedded:a", "--format", format])
                .exits(1)
                .says(name)
                .hides("planted");
        }
        scene.run(&["import", file, "embedded:a", "--dry-run"]).succeeds().hides("planted");
    }
    for format in ["passwork-json", "csv", "jsonl"] {
        let file = scene.file("a.xml", keepass);
        scene.run(&["import", file, "embedded:a", "--format", format]).exits(1);
    }
    for (text, name) in [
        (sops.as_bytes(), "SOPS"),
        (&b"PK\x03\x04planted"[..], "zip"),
        (br#"{"what":{"is":"planted"}}"#, "neither"),
        (br#"[{"user":"u","pw":"planted"}]"#, "neither"),
    ] {
        for format in [&[][..], &["--format", "passwork-json"], &["--format", "csv"], &["--format", "jsonl"]]
        {
            for name_of_file in ["a.json", "a.txt", "a.csv"] {
                let file = scene.file(name_of_file, text);
                // What nobody knows may be JSON lines, if the user says so: then all of it is carried.
                let as_told = name == "neither" && format.last() == Some(&"jsonl");
                let dry = if as_told { &["--dry-run"][..] } else { &[] };
                let run = scene.run(&[&["import", file, "embedded:a"], format, dry].concat());
                assert!(as_told || run.code() != Some(0), "{name}: {}", run.whole());
                run.hides("planted");
                if format.is_empty() {
                    run.says(name);
                }
            }
        }
    }
    scene.run(&["ls", "embedded:a"]).succeeds().hides("n");
}

#[test]
fn what_fits_two_formats_asks_which() {
    let scene = Scene::with_environments(&["a"]);
    let both = r#"{"name":"V","folders":[{"name":"f","items":[{"name":"n","password":"planted"}]}]}"#;
    let file = scene.file("a.json", both);
    scene
        .run(&["import", file, "embedded:a"])
        .exits(1)
        .says("passwork-json")
        .says("jsonl")
        .says("--format")
        .hides("planted");
}

#[test]
fn members_that_nobody_knows_are_carried_and_counted() {
    let scene = Scene::with_environments(&["a"]);
    let text = r#"{"exportedBy":"told-1","vaults":[{"name":"V","note":"told-2","items":[{"id":"i","name":"n","password":"p","card":{"number":"kept-1","code":"kept-2"},"lists":[["kept-3"]],"createdAt":"told-3"}]}]}"#;
    let file = scene.file("a.json", text);
    let run = scene.run(&["--json", "import", file, "embedded:a"]);
    let report = run.succeeds().json();
    assert_eq!(report["values"].to_string(), r#"{"read":10,"carried":6,"resolved":1,"told":3}"#);
    let notes = report["notes"].to_string();
    for place in ["/exportedBy", "/vaults/0/note", "createdAt"] {
        assert!(notes.contains(place), "{place}: {notes}");
    }
    run.hides("told-").hides("kept-");
    scene.run(&["export", "embedded:a", "o.jsonl", "--allow-plaintext"]).succeeds();
    let out = scene.read("o.jsonl");
    assert!(out.contains("kept-1") && out.contains("kept-2") && out.contains("kept-3"), "{out}");
}

#[test]
fn dialects_have_options() {
    let scene = Scene::with_environments(&["a"]);
    let escaped = scene.file("e.csv", "\"Account\",\"Login Name\",\"Password\",\"Web Site\",\"Comments\"\n\"e\",\"u\",\"a\\\"b\\\\c\",\"\",\"\"\n");
    scene.run(&["import", escaped, "embedded:a", "--escape", "backslash"]).succeeds();
    scene.run(&["get", "--from", "embedded:a", "Imported/e"]).prints("a\"b\\c");
    let nested = scene.file("n.csv", "name,password,grouping\nn,p,Travel\\Business\n");
    scene.run(&["import", nested, "embedded:a", "--dry-run"]).prints("--folder-separator");
    scene.run(&["import", nested, "embedded:a", "--folder-separator", "\\"]).succeeds();
    scene.run(&["get", "--from", "embedded:a", "Travel/Business/n"]).prints("p");
    let dots = scene.file("d.csv", "name,password,group\nd,p,Team.Sub\n");
    scene.run(&["import", dots, "embedded:a", "--folder-separator", "."]).succeeds();
    scene.run(&["get", "--from", "embedded:a", "Team/Sub/d"]).prints("p");
    let ragged = scene.file("r.csv", "name,password,notes\nshort,p1\nr2,p2,n,more\nonly\n");
    let run = scene.run(&["import", ragged, "embedded:a"]);
    run.exits(3).prints("line 3").prints("line 4").prints("1 created").hides("p2");
    scene.run(&["import", ragged, "embedded:a", "--flexible"]).succeeds().prints("2 created");
}

#[test]
fn a_spreadsheet_s_leavings_are_no_records() {
    let scene = Scene::with_environments(&["a"]);
    let text =
        "\u{feff}name;password\r\na;1\r\n;;\r\n;\r\n\u{feff}\"b\";2\r\nname;password\r\nc;3\r\n\r\n;\r\n";
    let file = scene.file("a.csv", text.replace(";;\r\n", ";\r\n"));
    let report = scene.run(&["--json", "import", file, "embedded:a"]).succeeds().json();
    assert_eq!((report["created"].as_u64(), report["rejected"].as_array().map(Vec::len)), (Some(3), Some(0)));
    let notes = report["notes"].to_string();
    assert!(
        notes.contains("empty cells is no record (3 times")
            && notes.contains("the header stands there once more"),
        "{notes}"
    );
    scene.run(&["get", "--from", "embedded:a", "Imported/b"]).prints("2");
}

#[test]
fn every_text_format_is_read_in_utf_16() {
    let wide = |text: &str, mark: bool, little: bool| -> Vec<u8> {
        let units = mark.then_some('\u{feff}').into_iter().chain(text.chars()).collect::<String>();
        units
            .encode_utf16()
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    };
    let scene = Scene::with_environments(&["a"]);
    for (number, (ending, text)) in [
        ("csv", "name,password,notes\nÄ NUM,pläin,€\n"),
        (
            "json",
            "{\"vaults\":[{\"name\":\"Imported\",\"items\":[{\"name\":\"Ä NUM\",\"password\":\"pläin\"}]}]}",
        ),
        ("jsonl", "{\"name\":\"Ä NUM\",\"password\":\"pläin\"}\n{\"name\":\"other\",\"password\":\"x\"}\n"),
    ]
    .into_iter()
    .enumerate()
    {
        for (way, (mark, little)) in
            [(true, true), (true, false), (false, true), (false, false)].into_iter().enumerate()
        {
            let name = format!("n{number}{way}");
            let path = format!("a.{ending}");
            let file = scene.file(&path, wide(&text.replace("NUM", &name), mark, little));
            scene.run(&["import", file, "embedded:a", "--on-conflict", "duplicate"]).succeeds();
            scene
                .run(&["get", "--from", "embedded:a", &format!("Imported/Ä {name}")])
                .succeeds()
                .prints("pläin");
        }
    }
}

#[test]
fn one_stray_byte_costs_one_row() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file(
        "a.csv",
        b"name,password\nGr\xc3\xbcn,pl\xc3\xa4in\nold,pa\xe9s\nEuro,\xe2\x82\xac5\n".as_slice(),
    );
    let report = scene.run(&["--json", "import", file, "embedded:a"]).exits(3).json();
    assert_eq!(report["rejected"][0]["at"], "line 3, column 2");
    assert!(report["rejected"][0]["why"].as_str().is_some_and(|why| why.contains("byte 3")));
    scene.run(&["get", "--from", "embedded:a", "Imported/Euro"]).prints("€5");
}

#[test]
fn cells_that_look_wrapped_or_escaped_are_told() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file("a.csv", "name,password,notes\na,x&amp;planted,\"\"\"planted\"\"\"\n");
    let run = scene.run(&["import", file, "embedded:a"]);
    run.succeeds().prints("HTML").prints("layer of quotes").hides("planted");
}

#[test]
fn a_spreadsheet_safe_export_says_how_much_it_changed() {
    let scene = Scene::with_environments(&["a"]);
    let file = scene.file(
        "a.jsonl",
        "{\"name\":\"a\",\"password\":\" =1\",\"login\":\"@x\"}\n{\"name\":\"b\",\"password\":\"\\n=2\"}\n",
    );
    scene.run(&["import", file, "embedded:a"]).succeeds();
    let safe = ["export", "embedded:a", "o.csv", "--allow-plaintext", "--spreadsheet-safe"];
    scene.run(&safe).succeeds().prints("3 cells were changed");
    let out = scene.read("o.csv");
    assert!(out.contains("' =1") && out.contains("\"'\n=2\"") && out.contains("'@x"), "{out}");
}

#[test]
fn an_export_of_bitwarden_is_read_as_it_is_and_as_nothing_else() {
    let scene = Scene::with_environments(&["a"]);
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/13-bitwarden");
    let export = samples.join("personal.json");
    let file = export.to_str().unwrap();
    for format in ["passwork-json", "csv", "jsonl"] {
        scene.run(&["import", file, "embedded:a", "--format", format]).exits(1);
    }
    let report = scene.run(&["--json", "import", file, "embedded:a"]).succeeds().json();
    assert_eq!((&report["created"], &report["verified"]), (&5.into(), &5.into()), "{report}");
    let values = &report["values"];
    let count = |name: &str| values[name].as_u64().unwrap();
    assert_eq!(count("read"), count("carried") + count("resolved") + count("told"), "{values}");
    let notes = report["notes"].to_string();
    for told in ["a record in the bin stays behind", "earlier passwords do not move", "linked field"] {
        assert!(notes.contains(told), "{notes}");
    }
    scene.run(&["verify", file, "embedded:a", "--exact"]).succeeds();
    // It comes back, and not in a form that is only read.
    let back = ["export", "embedded:a", "out.json", "--format", "bitwarden-json", "--allow-plaintext"];
    scene.run(&back).succeeds();
    scene.run(&["verify", "out.json", "embedded:a"]).succeeds();
    let run = scene.run(&["export", "embedded:a", "out.1pux", "--format", "1pux", "--allow-plaintext"]);
    run.exits(2).says("is read, not written");
    assert!(!scene.path("out.1pux").exists());
}
