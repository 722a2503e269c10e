"""`keyferry.crypto` beside the official client: the same results, the same failures."""

import hashlib
import inspect
import random
import threading

import passwork_client.base32
import passwork_client.crypto as theirs
import passwork_client.utils as their_utils
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry import crypto as ours
from keyferry.errors import DecryptError

SEED = 20


@pytest.fixture(autouse=True)
def a_clean_codec():
    """One failed decode spoils the official client's decoder for those after it."""
    yield
    passwork_client.base32.base32.decoder.reset()
    passwork_client.base32.base32.encoder.reset()


def texts(count: int) -> list:
    rng = random.Random(SEED)
    alphabet = "abcXYZ019 \n\t\"'<>&%\\{}äöüß€Ёлка名前🙂\u0000"
    return ["".join(rng.choices(alphabet, k=rng.choice([0, 1, 7, 15, 16, 17, 33, 200]))) for _ in range(count)]


def test_every_public_name_is_here_with_the_same_parameters():
    own = inspect.getmembers(theirs, lambda one: inspect.isfunction(one) and one.__module__ == theirs.__name__)
    wanted = [name for name, _ in own]
    wanted += [
        "decode_file", "decrypt_and_save_item_attachment", "decrypt_item", "decrypt_item_attachments",
        "decrypt_item_customs", "encode_attachment_file", "encrypt_item_attachment", "encrypt_item_customs",
        "format_item_attachments", "generate_totp", "generate_totp_by_url", "get_encryption_key", "get_string_from_blob",
    ]  # fmt: skip
    assert len(wanted) > 25
    for name in wanted:
        official = getattr(theirs, name, None) or getattr(their_utils, name)
        parameters = [list(inspect.signature(one).parameters) for one in (official, getattr(ours, name))]
        assert parameters[0] == parameters[1], name


def test_each_reads_what_the_other_writes():
    passphrases = ["k", "a longer passphrase ü", ours.generate_key()]
    for text in texts(400):
        for passphrase in passphrases:
            assert ours.decrypt_aes(theirs.encrypt_aes(text, passphrase), passphrase) == text
            assert theirs.decrypt_aes(ours.encrypt_aes(text, passphrase), passphrase) == text
        data = text.encode("utf-16")
        assert ours.decrypt_aes(theirs.encrypt_aes(data, "k", True), "k", True) == data
        assert theirs.decrypt_aes(ours.encrypt_aes(data, "k", True), "k", True) == data
        assert ours.encrypt_aes(text, "") == theirs.encrypt_aes(text, "")


def test_what_is_computed_without_chance_is_equal():
    for text in texts(200):
        assert ours.base32_encode(text) == passwork_client.base32.base32.encode(text)
        assert ours.base32_decode(ours.base32_encode(text)) == text
        assert ours.get_hash(text) == theirs.get_hash(text)
        assert ours.get_hash(text, "sha512") == theirs.get_hash(text, "sha512")
        assert ours.evp_bytes_to_key(text, b"saltsalt", 32, 16) == theirs.evp_bytes_to_key(text, b"saltsalt", 32, 16)
        assert ours.get_string_from_blob(text.encode()) == their_utils.get_string_from_blob(text.encode())
        assert ours.get_request_headers("t", text, True) == theirs.get_request_headers("t", text, True)
        assert ours.encode_attachment_file(text.encode()) == their_utils.encode_attachment_file(text.encode())
    options = {"salt": "s" * 20, "iterations": 1000, "bytes": 40, "digest": "sha512"}
    assert ours.get_master_key(options, "pässword") == theirs.get_master_key(options, "pässword")
    assert ours.get_master_key({"salt": "x" * 20}, "p") == theirs.get_master_key({"salt": "x" * 20}, "p")


def test_items_go_both_ways():
    key = ours.generate_key()
    customs = [{"name": "pin", "type": "password", "value": "hidden", "id": 7}]
    for one, other in [(ours, their_utils), (their_utils, ours)]:
        custom = one.encrypt_item_customs(customs, key)[0]
        assert custom["id"] == 7
        other.decrypt_item_customs(custom, key)
        assert custom == customs[0]
    for content in [b"", b"text", bytes(range(256))]:
        for record_key in [key, ""]:
            for one, other in [(ours, their_utils), (their_utils, ours)]:
                sealed = one.encrypt_item_attachment(content, record_key)
                file_key = other.decrypt_item_attachments(sealed, record_key) if record_key else None
                assert other.decode_file(sealed["encryptedData"], file_key) == content
            assert ours.encrypt_item_attachment(content, record_key)["hash"] == sealed["hash"]


def test_rsa_goes_both_ways():
    pair = ours.generate_rsa_keys()
    key = ours.generate_key()
    for one, other in [(ours, theirs), (theirs, ours)]:
        wrapped = ours.b64encode(one.rsa_encrypt(key, pair["public"]))
        assert other.rsa_decrypt(wrapped, pair["private"]) == key.encode()
        assert other.rsa_decrypt(wrapped.decode(), pair["private"]) == key.encode()
    record_key = theirs.encrypt_aes("record key", key)
    for one in (ours, their_utils):
        assert one.get_encryption_key(wrapped.decode(), record_key, pair["private"]) == "record key"
    user = ours.generate_user_rsa_keys("master key")
    assert theirs.decrypt_aes(user["privateEncrypted"], "master key").startswith("-----BEGIN PRIVATE KEY-----")
    ours.forget_keys()
    assert ours.rsa_decrypt(wrapped, pair["private"]) == key.encode()
    # A wrong key answers random bytes rather than an error (implicit rejection), so that nothing is learnt from it: once
    # in a hundred times they happen to be text.
    try:
        assert ours.rsa_decrypt(wrapped, ours.generate_rsa_keys()["private"]) != key.encode()
    except ValueError:
        pass


def test_one_time_codes_are_equal(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_700_000_000)
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for algorithm, digits in [("SHA1", 6), ("SHA256", 8), ("SHA512", 7)]:
        hashing = getattr(hashlib, algorithm.lower())
        assert ours.generate_totp(secret, hashing, 30, digits) == their_utils.generate_totp(secret, hashing, 30, digits)
        uri = f"otpauth://totp/a:b?secret={secret}&algorithm={algorithm}&digits={digits}&period=60"
        assert ours.generate_totp_by_url(uri) == their_utils.generate_totp_by_url(uri)
    for bad in ["https://totp/x", "otpauth://hotp/x?secret=AAAA", "otpauth://totp/x"]:
        for one in (ours, their_utils):
            with pytest.raises(ValueError):
                one.generate_totp_by_url(bad)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text[:-40],
        lambda text: "",
        lambda text: "not an envelope",
        lambda text: text[:20] + ("0" if text[20] != "0" else "1") + text[21:],
    ],
)
def test_damage_is_caught_by_the_same_except(spoil):
    for text in texts(30):
        damaged = spoil(ours.encrypt_aes(text + " and enough to cut", "key"))
        outcomes = []
        for one in (ours, theirs):
            passwork_client.base32.base32.decoder.reset()
            try:
                outcomes.append(one.decrypt_aes(damaged, "key"))
            except ValueError:
                outcomes.append(ValueError)
        # The official client does not look at the marker: there it finds garbage where we find damage.
        assert outcomes[0] == outcomes[1] or outcomes[0] is ValueError


def test_an_error_says_what_and_shows_nothing():
    with pytest.raises(DecryptError) as caught:
        ours.decrypt_aes(ours.encrypt_aes("hidden-word", "right"), "wrong-key")
    assert caught.value.kind == "decrypt" and "wrong key" in str(caught.value)
    assert "hidden-word" not in repr(caught.value) and "wrong-key" not in repr(caught.value)


def test_passwords_keep_a_servers_rules():
    rules = {"minLength": 12, "isDigitsRequired": True, "isUppercaseRequired": True, "isSpecialCharactersRequired": True}
    for _ in range(50):
        password = ours.generate_user_password(4, rules)
        assert len(password) == 12
        assert any(c.isdigit() for c in password) and any(c.isupper() for c in password) and set(password) & set("!@#$%^")
    assert len(ours.generate_key()) == 100 and len(set(ours.generate_key() for _ in range(20))) == 20
    assert len(ours.generate_user_password(16, {})) == 16


def test_an_attachments_name_does_not_lead_out_of_its_folder(tmp_path):
    sealed = ours.encrypt_item_attachment(b"content", "key") | {"name": "../out.txt"}
    with pytest.raises(ValueError):
        ours.decrypt_and_save_item_attachment(sealed, "key", str(tmp_path / "in"))
    ours.decrypt_and_save_item_attachment(sealed | {"name": "ok.txt"}, "key", str(tmp_path / "in"))
    assert (tmp_path / "in" / "ok.txt").read_bytes() == b"content" and not (tmp_path / "out.txt").exists()


@settings(max_examples=300, deadline=None)
@given(st.text(), st.text(min_size=1), st.binary())
def test_anything_comes_back(text, passphrase, data):
    assert ours.decrypt_aes(ours.encrypt_aes(text, passphrase), passphrase) == text
    assert ours.decrypt_aes(ours.encrypt_aes(data, passphrase, True), passphrase, True) == data


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_is_opened_or_refused(text):
    try:
        ours.decrypt_aes(text, "key")
    except ValueError:
        pass


def test_threads_share_everything():
    pair = ours.generate_rsa_keys()
    key = ours.generate_key()
    wrapped = ours.b64encode(ours.rsa_encrypt(key, pair["public"])).decode()
    long = "x" * 20_000
    failed = []

    def work(number: int) -> None:
        try:
            for n in range(30):
                text = f"{number} {n} {long}"
                assert ours.decrypt_aes(ours.encrypt_aes(text, key), key) == text
                assert ours.rsa_decrypt(wrapped, pair["private"]) == key.encode()
                if n % 10 == 9:
                    ours.forget_keys()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failed
