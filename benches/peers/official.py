"""The official client's side of the comparison: seconds for each unit of work.

The work is what its `create_item` and `get_item` do between a dictionary and the wire, called as
they call it; the network is left out on both sides.
"""

import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from passwork_client import PassworkClient
from passwork_client.crypto import b64encode, decrypt_aes, generate_key, rsa_encrypt
from passwork_client.utils import (
    decode_file,
    decrypt_item,
    decrypt_item_customs,
    encrypt_item_attachment,
    get_encryption_key,
)

RECORD = {
    "password": "correct horse battery 1",
    "customs": [
        {"name": "API key", "type": "password", "value": "k-00000000000000000000000000000001"},
        {"name": "port", "type": "text", "value": "5432"},
        {"name": "otp", "type": "totp", "value": "otpauth://totp/Lab:ops?secret=GEZDGNBVGY3TQOJQ"},
    ],
}


def seconds(work, least: float = 1.0) -> float:
    """Seconds a call, the best of at least three calls and one second."""
    best, spent, calls = float("inf"), 0.0, 0
    while calls < 3 or spent < least:
        start = time.perf_counter()
        work()
        took = time.perf_counter() - start
        best, spent, calls = min(best, took), spent + took, calls + 1
    return best


def measure() -> dict[str, float]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    client = PassworkClient("https://unused.example")
    vault_key = generate_key()
    wrapped = b64encode(rsa_encrypt(vault_key, public)).decode()

    def encrypt() -> dict:
        item = {"password": RECORD["password"], "customs": [dict(one) for one in RECORD["customs"]]}
        key = generate_key()
        client.encrypt_item(item, key, vault_key)
        client.encrypt_item_customs(item, key)
        return item

    sealed = encrypt()

    def open_with(key: str) -> dict:
        customs = [dict(one) for one in sealed["customs"]]
        for custom in customs:
            decrypt_item_customs(custom, key)
        return {"password": decrypt_item(sealed["passwordEncrypted"], key), "customs": customs}

    def decrypt_as_shipped() -> dict:
        return open_with(get_encryption_key(wrapped, sealed["keyEncrypted"], pem))

    def decrypt_cached() -> dict:
        return open_with(decrypt_aes(sealed["keyEncrypted"], vault_key))

    assert decrypt_as_shipped() == decrypt_cached() == RECORD
    record_key = generate_key()

    def attach(kib: int) -> float:
        content = b"\xa5" * (kib << 10)
        attached = encrypt_item_attachment(content, record_key)
        assert decode_file(attached["encryptedData"], decrypt_aes(attached["encryptedKey"], record_key)) == content
        return seconds(lambda: encrypt_item_attachment(content, record_key), least=0.0)

    return {
        "encrypt": seconds(encrypt),
        "decrypt_as_shipped": seconds(decrypt_as_shipped),
        "decrypt_cached": seconds(decrypt_cached),
        **{f"attachment_{kib}k": attach(kib) for kib in (16, 32, 64)},
    }
