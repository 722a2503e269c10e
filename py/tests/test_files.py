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
