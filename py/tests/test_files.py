"""Files that other programs encrypt."""

import pytest

import keyferry


def test_a_database_of_keepass_is_written_and_read_with_its_passphrase(embedded, people, tmp_path, monkeypatch):
    a, b, c = embedded("a"), embedded("b"), embedded("c")
    assert keyferry.import_file(people, a).complete
    assert keyferry.export_file(a, "all.kdbx", file_passphrase="correct horse").created == 60
    with pytest.raises(keyferry.KeyferryError, match="passphrase"):
        keyferry.import_file("all.kdbx", b, file_passphrase="wrong horse")
    with pytest.raises(keyferry.KeyferryError, match="passphrase"):
        keyferry.import_file("all.kdbx", b)
    assert keyferry.import_file("all.kdbx", b, file_passphrase="correct horse").created == 60
    (tmp_path / "phrase").write_text("correct horse\n")
    monkeypatch.setenv("KEYFERRY_FILE_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    assert keyferry.plan("all.kdbx", c).create == 60
    (tmp_path / "key").write_bytes(b"any file may be one")
    keyferry.export_file(a, "key.kdbx", key_file="key")
    assert keyferry.verify("key.kdbx", b, key_file="key").complete


def test_what_lies_in_a_bin_comes_along_where_it_is_asked_for(embedded):
    a = embedded("a")
    item = '{"type":1,"name":"%s","login":{"password":"p"}%s}'
    items = ",".join([item % ("here", ""), item % ("gone", ',"deletedDate":"2026-01-01T00:00:00Z"')])
    with open("bitwarden.json", "w") as file:
        file.write('{"encrypted":false,"folders":[],"items":[' + items + "]}")
    assert keyferry.plan("bitwarden.json", a).create == 1
    assert keyferry.import_file("bitwarden.json", a, include_trash=True).created == 2
    assert sum("Trash" in str(record) for record in keyferry.connect(a).records()) == 1


def test_codes_of_an_authenticator_go_into_their_records(embedded):
    a = embedded("a")
    with open("people.csv", "w") as file:
        file.write("name,login,password\nGitHub,me@x.example,p\n")
    with open("codes.txt", "w") as file:
        file.write("otpauth://totp/GitHub:me@x.example?secret=JBSWY3DPEHPK3PXP&issuer=GitHub\n")
    assert keyferry.import_file("people.csv", a).created == 1
    assert keyferry.plan("codes.txt", a, match_codes=True).update == 1
    assert keyferry.import_file("codes.txt", a, match_codes=True).created == 0
    assert keyferry.verify("codes.txt", a, match_codes=True).complete
    (record,) = keyferry.connect(a).records()
    assert (record.name, record.password) == ("GitHub", "p")
    with pytest.raises(keyferry.errors.UsageError, match="match_codes"):
        keyferry.migrate(a, "out.jsonl", match_codes=True, allow_plaintext=True)


def test_any_source_is_read_record_by_record(embedded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("name,login,password\none,u,p\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "app.env").write_text("TOKEN=x\n")
    assert [record.name for record in keyferry.read("a.csv")] == ["one"]
    both = list(keyferry.read(["a.csv", tmp_path / "more"]))
    assert [(record.name, record.vault) for record in both] == [("one", "Imported"), ("app.env", "Imported")]
    assert both[0].password == "p"
    a = embedded("a")
    assert keyferry.import_file(["a.csv", "more"], a).created == 2
    assert keyferry.verify(["a.csv", "more"], a).complete
    assert len(list(keyferry.read(a))) == 2
    (tmp_path / "bad.csv").write_text("name,login,password\none,u,p\ntwo,u\nthree,u,p\n")
    stream, seen = keyferry.read("bad.csv"), []
    assert next(stream).name == "one"
    with pytest.raises(keyferry.errors.InputError, match="line 3"):
        next(stream)
    seen = [record.name for record in stream]
    assert seen == ["three"]
    for wrong in ([], ["a.csv", "csv:bad.csv"], ["a.csv", "vault://h/secret"]):
        with pytest.raises(keyferry.errors.UsageError):
            keyferry.read(wrong)
    with pytest.raises(TypeError):
        keyferry.read("a.csv", on_conflict="skip")


def test_a_server_of_secrets_wants_a_token_of_the_process(monkeypatch, tmp_path):
    for name in ("KEYFERRY_VAULT_TOKEN", "VAULT_TOKEN", "VAULT_ADDR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(keyferry.errors.AuthenticationError, match="token"):
        keyferry.read("vault://vault.example.com/secret")
    monkeypatch.setenv("KEYFERRY_VAULT_TOKEN", "planted")
    with pytest.raises(keyferry.errors.PermissionDeniedError) as refused:
        keyferry.read("vault+http://vault.example.com/secret")
    assert "planted" not in str(refused.value)
