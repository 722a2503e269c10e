"""Passwork's client-side cryptography at native speed, under the names of ``passwork_client.crypto`` and ``.utils``.

Each function takes and gives what the official one does, and raises an exception that the same ``except`` catches:
what cannot be decrypted is a :class:`~keyferry.errors.DecryptError`, which is a ``ValueError``. Texts are ``str``, files
``bytes``. Calls on large values let other threads run.

:func:`encrypt_records` and :func:`decrypt_records` do many at once on every core, over lists of dictionaries or Arrow
tables.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import string
import time
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any, Callable, Iterable, Literal, Mapping, Sequence, overload
from urllib.parse import quote

from . import _native
from ._arrow import aligned
from .errors import UsageError

__all__ = [
    "b64decode",
    "b64encode",
    "base32_decode",
    "base32_encode",
    "decode_file",
    "decrypt_aes",
    "decrypt_and_save_item_attachment",
    "decrypt_item",
    "decrypt_item_attachments",
    "decrypt_item_customs",
    "decrypt_records",
    "encode_attachment_file",
    "encrypt_aes",
    "encrypt_item_attachment",
    "encrypt_item_customs",
    "encrypt_records",
    "evp_bytes_to_key",
    "format_item_attachments",
    "generate_key",
    "generate_password",
    "generate_rsa_keys",
    "generate_salt",
    "generate_string",
    "generate_totp",
    "generate_totp_by_url",
    "generate_user_password",
    "generate_user_rsa_keys",
    "get_encryption_key",
    "get_hash",
    "get_master_key",
    "get_random_string",
    "get_request_headers",
    "get_string_from_blob",
    "rsa_decrypt",
    "rsa_encrypt",
]

_KEY_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "@!"
_SPECIAL = "!@#$%^"
_MAX_ATTACHMENT = 5 * 1024 * 1024
_NO_KEY = "a" * 32


# --- envelopes -----------------------------------------------------------------------------------------------------


def encrypt_aes(message: str | bytes, passphrase: str, is_bytes: bool = False) -> str:
    """Puts a text (or bytes, with ``is_bytes``) into an envelope; without a passphrase, into base64."""
    if not passphrase:
        return b64encode(message.encode()).decode()  # type: ignore[union-attr]
    data = bytes(message) if is_bytes else message.encode()  # type: ignore[arg-type, union-attr]
    return _native.encrypt(data, passphrase)


@overload
def decrypt_aes(encrypted_data_b32: str, passphrase: str, is_bytes: Literal[False] = False) -> str: ...
@overload
def decrypt_aes(encrypted_data_b32: str, passphrase: str, is_bytes: Literal[True]) -> bytes: ...
def decrypt_aes(encrypted_data_b32: str, passphrase: str, is_bytes: bool = False) -> str | bytes:
    """Opens an envelope.

    Raises:
        DecryptError: the envelope is damaged, or was made with another passphrase, or holds no text. (There the official
            client raises a ``UnicodeDecodeError``, also a ``ValueError``, which carries what it decrypted.)
    """
    if is_bytes:
        return _native.decrypt(encrypted_data_b32, passphrase)
    return _native.decrypt_text(encrypted_data_b32, passphrase)


def base32_encode(data: str | bytes) -> str:
    """Passwork's own base32; a text is encoded as UTF-8."""
    return _native.base32_encode(data.encode() if isinstance(data, str) else data)


def base32_decode(text: str) -> str:
    """The reverse. Characters outside the alphabet are skipped."""
    return _native.base32_decode(text).decode()


def evp_bytes_to_key(password: str, salt: bytes, key_len: int, iv_len: int) -> tuple[bytes, bytes]:
    """OpenSSL's ``EVP_BytesToKey`` with one round of MD5: key and initialisation vector."""
    derived, block = b"", b""
    while len(derived) < key_len + iv_len:
        block = hashlib.md5(block + password.encode() + salt, usedforsecurity=False).digest()
        derived += block
    return derived[:key_len], derived[key_len : key_len + iv_len]


# --- keys ----------------------------------------------------------------------------------------------------------


def get_random_string(length: int = 32, possible: str = "") -> str:
    """So many characters of an alphabet, by the system's randomness."""
    return "".join(secrets.choice(possible) for _ in range(length))


def generate_string(length: int = 32) -> str:
    """Letters, digits, ``@`` and ``!``."""
    return get_random_string(length, _KEY_ALPHABET)


def generate_salt(length: int = 32) -> str:
    """Letters, digits, ``@`` and ``!``."""
    return get_random_string(length, _KEY_ALPHABET)


def generate_key() -> str:
    """A vault, record or attachment key: 100 characters, 600 bits."""
    return _native.generate_key()


def generate_password(length: int = 32) -> str:
    """Letters, digits and ``!@#$%^``."""
    return get_random_string(length, _KEY_ALPHABET[:-2] + _SPECIAL)


def generate_user_password(length: int = 32, complexity: Mapping[str, Any] | None = None) -> str:
    """A password by a server's rules: ``minLength``, ``isDigitsRequired``, ``isUppercaseRequired``,
    ``isSpecialCharactersRequired``."""
    rules = complexity or {}
    length = max(length, int(rules.get("minLength") or 0))
    needed = [
        alphabet
        for rule, alphabet in (
            ("isDigitsRequired", string.digits),
            ("isUppercaseRequired", string.ascii_uppercase),
            ("isSpecialCharactersRequired", _SPECIAL),
        )
        if rules.get(rule)
    ]
    if length < len(needed):
        raise UsageError(f"{length} characters cannot hold {len(needed)} required kinds")
    while True:
        password = get_random_string(length, string.digits + _SPECIAL + string.ascii_letters)
        if all(set(password) & set(alphabet) for alphabet in needed):
            return password


def get_master_key(mk_options: Mapping[str, Any], master_password: str) -> dict[str, str]:
    """Derives the master key (PBKDF2): ``hashedString`` is the key, ``masterKeyOptions`` how it was derived."""
    digest = mk_options.get("digest") or "sha256"
    iterations = int(mk_options.get("iterations") or 300_000)
    length = int(mk_options.get("bytes") or 64)
    options = ":".join(["pbkdf", digest, str(iterations), str(length), mk_options["salt"]])
    return {"hashedString": _native.master_key(master_password, options), "masterKeyOptions": options}


def get_hash(str: str, func: str | None = None) -> str:
    """Hexadecimal SHA-256 (or SHA-512) of a text; an empty text has an empty hash."""
    if not str:
        return ""
    return (hashlib.sha512 if func == "sha512" else hashlib.sha256)(str.encode()).hexdigest()


def get_request_headers(token: str, master_key: str, use_master_password: bool) -> dict[str, str]:
    """The headers of an older API."""
    headers = {"Passwork-Auth": token}
    if use_master_password:
        headers["X-Master-Key-Hash"] = get_hash(master_key) or hashlib.sha256(b"").hexdigest()
    return headers


def rsa_decrypt(data: str | bytes, private_key: str) -> bytes:
    """Opens base64 with a private key (PEM). The key is parsed once and each vault key is unwrapped once: both are
    kept until :func:`forget_keys`."""
    return _native.rsa_decrypt(data if isinstance(data, str) else data.decode(), private_key)


def rsa_encrypt(data: str, public_key: str) -> bytes:
    """Encrypts a text for a public key (PEM); bytes, for :func:`b64encode`."""
    return b64decode(_native.rsa_encrypt(data, public_key))


def forget_keys() -> None:
    """Wipes the private keys and vault keys that :func:`rsa_decrypt` and :func:`get_encryption_key` keep."""
    _native.forget_keys()


def generate_rsa_keys() -> dict[str, str]:
    """A key pair of 2048 bits: ``public`` and ``private``, PEM."""
    public, private = _native.key_pair()
    return {"public": public, "private": private}


def generate_user_rsa_keys(master_key: str) -> dict[str, str]:
    """A key pair whose private half is in an envelope under the master key: ``public``, ``privateEncrypted``."""
    public, private = _native.key_pair()
    return {"public": public, "privateEncrypted": encrypt_aes(private, master_key)}


def get_encryption_key(vault_master_key_encrypted: str, key_encrypted: str, user_private_key: str) -> str:
    """An item's record key."""
    return _native.record_key(vault_master_key_encrypted, key_encrypted, user_private_key)


# --- items ---------------------------------------------------------------------------------------------------------


def decrypt_item(password_encrypted: str, encrypted_key: str) -> str:
    """An item's password; without a key it is base64."""
    if encrypted_key:
        return decrypt_aes(password_encrypted, encrypted_key)
    return b64decode(password_encrypted.encode()).decode()


def decrypt_item_attachments(attachment: Mapping[str, str], encrypted_key: str) -> str:
    """The key of an attachment."""
    return decrypt_aes(attachment["encryptedKey"], encrypted_key)


def encrypt_item_customs(custom_fields: Iterable[Mapping[str, Any]], encryption_key: str) -> list[dict[str, Any]]:
    """Custom fields with name, type and value encrypted; other members as they are."""
    secret = {"name", "value", "type"}
    return [
        {field: encrypt_aes(value, encryption_key) if field in secret else value for field, value in custom.items()}
        for custom in custom_fields
    ]


def decrypt_item_customs(custom: dict[str, Any], password_key: str) -> None:
    """Decrypts name, type and value of a custom field in place."""
    for member in ("name", "type", "value"):
        custom[member] = decrypt_item(custom[member], password_key)


def get_string_from_blob(blob: bytes) -> str:
    """Each byte as the character of its number."""
    return bytes(blob).decode("latin-1")


def encode_attachment_file(data: bytes, encryption_key: str | None = None) -> str:
    """A file's content for the wire: base64 in an envelope, or twice in base64."""
    if encryption_key is None:
        return b64encode(b64encode(data)).decode()
    return encrypt_aes(b64encode(data), encryption_key, True)


def decode_file(data: str, encrypted_key: str | None = None) -> bytes:
    """The reverse of :func:`encode_attachment_file`."""
    if not encrypted_key:
        return b64decode(b64decode(data))
    return b64decode(decrypt_aes(data, encrypted_key, is_bytes=True))


def encrypt_item_attachment(buffer: bytes, encryption_key: str) -> dict[str, str]:
    """A file of at most 5 MiB under a record key: ``encryptedKey``, ``encryptedData``, ``hash``."""
    if len(buffer) > _MAX_ATTACHMENT:
        raise ValueError("an attachment has at most 5 MiB")
    if not encryption_key:
        return {
            "encryptedKey": b64encode(_NO_KEY.encode()).decode(),
            "encryptedData": encode_attachment_file(buffer),
            "hash": _native.attachment_hash(buffer),
        }
    key, data, digest = _native.encrypt_attachment(buffer, encryption_key)
    return {"encryptedKey": key, "encryptedData": data, "hash": digest}


def format_item_attachments(attachments: Iterable[Mapping[str, str]], encryption_key: str) -> list[dict[str, str]]:
    """Files named by ``path`` and ``name``, read and encrypted."""
    return [
        {**encrypt_item_attachment(Path(one["path"]).read_bytes(), encryption_key), "name": one["name"] or Path(one["path"]).stem}
        for one in attachments
        if one["path"]
    ]


def decrypt_and_save_item_attachment(attachment: Mapping[str, str], encrypted_key: str, download_path: str) -> None:
    """Writes a file to a folder, once its hash is right. A name that leads out of the folder is refused: it comes from
    a server."""
    if not attachment:
        return
    folder, name = Path(download_path), attachment["name"]
    if not name or name in {".", ".."} or "/" in name or "\\" in name or "\0" in name:
        raise UsageError(f"an attachment's name leads out of its folder: {name!r}")
    if encrypted_key:
        content = _native.decrypt_attachment(
            attachment["encryptedKey"], attachment["encryptedData"], attachment["hash"], encrypted_key
        )
    else:
        content = decode_file(attachment["encryptedData"])
        if _native.attachment_hash(content) != attachment["hash"]:
            raise ValueError("an attachment's content does not match its hash")
    folder.mkdir(parents=True, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


# --- one-time codes ------------------------------------------------------------------------------------------------


def generate_totp(secret: str, algorithm: Callable[..., Any] = hashlib.sha1, interval: int = 30, digits: int = 6) -> str:
    """The code of a secret in base32, now."""
    name = algorithm().name.upper()
    address = f"otpauth://totp/x?secret={quote(secret, safe='')}&algorithm={name}&period={interval}&digits={digits}"
    return _native.totp(address, int(time.time()))


def generate_totp_by_url(uri: str) -> str:
    """The code of an ``otpauth://totp/`` address, now."""
    if not uri.startswith("otpauth://"):
        raise ValueError("this is not an otpauth address")
    return _native.totp(uri, int(time.time()))


# --- many at once --------------------------------------------------------------------------------------------------


def encrypt_records(
    records: Any, vault_key: str | None, threads: int | None = None, keep: Sequence[str] | None = None
) -> Any:
    """Encrypts many records on every core (or on ``threads``).

    ``records`` is an iterable of dictionaries with ``name``, ``login``, ``password``, ``url``, ``description``, ``tags``,
    ``color``, ``favorite``, ``customs`` (``name``, ``type``, ``value``) and ``attachments`` (``name``, ``data``), or an Arrow
    table or record batch with such columns (attachments apart, which are no cells). Back comes a list of items as Passwork's
    API takes them, to which only ``vaultId`` and ``folderId`` are missing, or an Arrow table (``pyarrow.table(...)``,
    ``polars.from_arrow(...)``).

    A member or column that no record has is a :class:`~keyferry.errors.UsageError`, since it would be lost, or stand in the
    clear beside what is sealed: ``keep`` names those that go through as they are, such as an id. Where ``vault_key`` is None
    secrets are base64, as an environment without client-side encryption has them; an empty key is an error.
    """
    kept = None if keep is None else list(keep)
    if hasattr(records, "__arrow_c_stream__") or hasattr(records, "__arrow_c_array__"):
        return _native.encrypt_table(aligned(records), vault_key, threads, kept)
    return _native.encrypt_records(records, vault_key, threads, kept)


def decrypt_records(
    items: Any,
    vault_key: str | None,
    threads: int | None = None,
    errors: Literal["raise", "return", "column"] = "raise",
    keep: Sequence[str] | None = None,
) -> Any:
    """Decrypts many items of one vault; the reverse of :func:`encrypt_records`.

    An item that cannot be read ends everything, unless ``errors`` says otherwise: with ``"return"`` it becomes its exception
    in the list of dictionaries, with ``"column"`` its row of the table is null but for a column ``error`` that says why.
    Columns of a table that no item has go through; where ``keep`` is given, only those that it names, and others are an
    error. Attachments are decrypted where a dictionary holds their ``encryptedData``.
    """
    if hasattr(items, "__arrow_c_stream__") or hasattr(items, "__arrow_c_array__"):
        if errors == "return":
            raise UsageError("a table holds no exceptions: errors=\"column\" puts them into a column")
        return _native.decrypt_table(aligned(items), vault_key, threads, errors, None if keep is None else list(keep))
    if errors == "column" or keep is not None:
        raise UsageError("errors=\"column\" and keep are for tables")
    return _native.decrypt_records(items, vault_key, threads, errors)
