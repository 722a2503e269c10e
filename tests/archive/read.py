"""Reads an archive with nothing but docs/archive-format.md and other people's cryptography.

    KEYFERRY_ARCHIVE_PASSPHRASE=... python read.py FILE.kfa > records.jsonl
    python read.py FILE.kfa --key private.pem > records.jsonl

It shares no code with keyferry: that both read the same file says that the page is enough. It holds the whole
archive in memory and is no tool for large ones.
"""

import argparse
import base64
import hashlib
import hmac
import io
import json
import os
import sys

import zstandard
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"\x89KFA\r\n\x1a\n"
LABEL = b"keyferry archive 1"
CHUNK = 65_536
TAG = 16


class Damaged(Exception):
    """The file is not what its writer wrote."""


class Bytes:
    """Takes numbers and pieces off the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)

    def take(self, count: int) -> bytes:
        piece = self.stream.read(count)
        if len(piece) != count:
            raise Damaged("it ends too early")
        return piece

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "big", signed=signed)

    def blob(self) -> bytes:
        return self.take(self.number(4))

    def text(self) -> str:
        return self.blob().decode()

    def texts(self) -> list[str]:
        return [self.text() for _ in range(self.number(4))]

    def option(self, read):
        present = self.number(1)
        if present > 1:
            raise Damaged("an option is neither there nor not")
        return read() if present else None


def file_key(locks: list[tuple[int, bytes]], passphrase: str | None, private_key) -> bytes:
    """Opens the first lock that what is at hand fits."""
    for kind, body in locks:
        lock = Bytes(body)
        if kind == 1 and passphrase is not None:
            memory, passes, lanes = (lock.number(4) for _ in range(3))
            if not (19_456 <= memory <= 4 << 20 and 1 <= passes <= 64 and lanes <= 64):
                raise Damaged("the work to derive its key is out of bounds")
            salt, nonce, sealed = lock.take(16), lock.take(12), lock.take(48)
            key = hash_secret_raw(passphrase.encode(), salt, passes, memory, lanes, 32, Type.ID, version=0x13)
            return AESGCM(key).decrypt(nonce, sealed, None)
        if kind == 2 and private_key is not None:
            spki = serialization.PublicFormat.SubjectPublicKeyInfo
            public = private_key.public_key().public_bytes(serialization.Encoding.DER, spki)
            if lock.take(32) == hashlib.sha256(public).digest():
                oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), LABEL)
                return private_key.decrypt(body[32:], oaep)
    raise SystemExit("nothing at hand opens this archive")


def payload(data: bytes, passphrase: str | None, private_key) -> bytes:
    """The entries, authenticated and decompressed."""
    header = Bytes(data)
    if header.take(8) != MAGIC or header.number(1) != 1:
        raise Damaged("this is no archive of version 1")
    locks = [(header.number(1), header.take(header.number(2))) for _ in range(header.number(1))]
    salt = header.take(32)
    signed = data[: header.stream.tell()]
    tag = header.take(32)
    key = file_key(locks, passphrase, private_key)

    def derive(purpose: bytes, length: int) -> bytes:
        return HKDF(hashes.SHA256(), length, salt, LABEL + purpose).derive(key)

    if not hmac.compare_digest(hmac.digest(derive(b" header", 32), signed, "sha256"), tag):
        raise Damaged("its header was changed")
    secret = derive(b" payload", 39)
    cipher, prefix = AESGCM(secret[:32]), secret[32:]
    sealed = header.stream.read()
    plain, number = [], 0
    while True:
        chunk, sealed = sealed[: CHUNK + TAG], sealed[CHUNK + TAG :]
        last = not sealed
        nonce = prefix + number.to_bytes(4, "big") + bytes([last])
        plain.append(cipher.decrypt(nonce, chunk, None))
        number += 1
        if last:
            break
    frame = zstandard.ZstdDecompressor().decompressobj()
    entries = frame.decompress(b"".join(plain))
    if not frame.eof or frame.unused_data:
        raise Damaged("it is not one whole frame")
    return entries


def entries(data: Bytes):
    """Yields records as JSON lines hold them; checks the counts at the end."""
    records = folders = 0

    def path() -> tuple[str | None, list[str]]:
        return data.option(data.text), data.texts()

    while (kind := data.number(1)) != 3:
        vault, names = path()
        if kind == 2:
            folders += 1
            continue
        if kind != 1:
            raise Damaged(f"there is no entry of kind {kind}")
        records += 1
        record = {"vault": vault, "path": names, "name": data.text(), "login": data.text()}
        record["password"] = data.option(data.text)
        record |= {"url": data.text(), "description": data.text(), "tags": data.texts()}
        record["color"] = data.option(lambda: data.number(8, signed=True))
        record["favorite"] = data.number(1) == 1
        record["customs"] = [
            {"name": data.text(), "type": data.text(), "value": data.text()} for _ in range(data.number(4))
        ]
        record["attachments"] = [
            {"name": data.text(), "data": base64.b64encode(data.blob()).decode()} for _ in range(data.number(4))
        ]
        yield {member: value for member, value in record.items() if value is not None}
    if (data.number(8), data.number(8)) != (records, folders) or data.stream.read(1):
        raise Damaged("it does not hold what its end says")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--key", help="a private key, PKCS#8 in PEM")
    arguments = parser.parse_args()
    private_key = None
    if arguments.key:
        with open(arguments.key, "rb") as pem:
            private_key = serialization.load_pem_private_key(pem.read(), None)
    with open(arguments.file, "rb") as file:
        data = file.read()
    passphrase = os.environ.get("KEYFERRY_ARCHIVE_PASSPHRASE")
    try:
        for record in entries(Bytes(payload(data, passphrase, private_key))):
            print(json.dumps(record, ensure_ascii=False))
    except (Damaged, InvalidTag, ValueError, zstandard.ZstdError) as error:
        sys.exit(f"{arguments.file} is damaged: {error or 'a chunk is not authentic'}")


if __name__ == "__main__":
    main()
