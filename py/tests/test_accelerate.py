"""The official SDK, unchanged, on native code."""

import sys
import threading

import passwork_client
import passwork_client.crypto
import passwork_client.modules.item
import passwork_client.utils
import pytest
from passwork_client import PassworkClient

import keyferry


@pytest.fixture
def sdk(served):
    """The official client, signed in to a running server."""
    server = served()
    client = PassworkClient(server["url"])
    client.set_tokens(server["access_token"], server["refresh_token"])
    client.set_master_key(server["master_key"])
    return client


def test_it_is_undone():
    own = passwork_client.modules.item.encrypt_aes
    with keyferry.passwork.accelerate() as acceleration:
        assert acceleration.active
        for module in (passwork_client.crypto, passwork_client.utils, passwork_client.modules.item):
            assert module.encrypt_aes is keyferry.crypto.encrypt_aes
        with keyferry.passwork.accelerate():
            pass
    assert passwork_client.modules.item.encrypt_aes is own is passwork_client.crypto.encrypt_aes


def test_a_version_that_is_not_known_is_left_alone(monkeypatch):
    monkeypatch.setattr(passwork_client, "__version__", "9.0")
    own = passwork_client.crypto.encrypt_aes
    with pytest.warns(RuntimeWarning, match="9.0"):
        acceleration = keyferry.passwork.accelerate()
    assert not acceleration.active and passwork_client.crypto.encrypt_aes is own


def test_a_script_runs_as_before(sdk, tmp_path):
    def script(client) -> list:
        vault = client.create_vault("V") if hasattr(client, "create_vault") else client.add_vault("V")
        file = tmp_path / "f.txt"
        file.write_bytes(bytes(range(256)) * 4)
        data = {
            "vaultId": vault,
            "name": "n",
            "login": "l",
            "password": "hidden ü",
            "customs": [{"name": "pin", "type": "text", "value": "7"}],
            "attachments": [{"path": str(file), "name": "f.txt"}],
        }
        item = client.create_item(data)
        client.update_item(item, {"vaultId": vault, "password": "hidden new"})
        read = client.get_item(item)
        client.download_item_attachment(read, str(tmp_path / "down"))
        assert (tmp_path / "down" / "f.txt").read_bytes() == file.read_bytes()
        return [read["password"], read["customs"], client.get_items([item])[0]["password"]]

    plain = script(sdk)
    with keyferry.passwork.accelerate():
        assert script(sdk) == plain == ["hidden new", [{"name": "pin", "type": "text", "value": "7"}], "hidden new"]


def corrupted(rounds: int) -> int:
    """How many large values come back wrong, or not at all, when threads share the SDK."""
    wrong = []
    gate = threading.Barrier(4)

    def work(number: int) -> None:
        text = str(number) * 6_000
        gate.wait()
        for _ in range(rounds):
            try:
                sealed = passwork_client.crypto.encrypt_aes(text, "key")
                good = keyferry.crypto.decrypt_aes(sealed, "key") == text
            except Exception:
                good = False
            if not good:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return len(wrong)


def test_threads_no_longer_corrupt_large_values():
    # Threads take turns as often as they can, so that the control need not wait for its luck.
    turns = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        assert any(corrupted(3) for _ in range(30)), "the control: the SDK's one codec is shared by its threads"
    finally:
        sys.setswitchinterval(turns)
        passwork_client.crypto.base32.encoder.reset()
    with keyferry.passwork.accelerate():
        assert corrupted(60) == 0


def test_a_value_that_is_no_text_spoils_no_other():
    good = keyferry.crypto.encrypt_aes("text", "key")
    with keyferry.passwork.accelerate():
        with pytest.raises(ValueError):
            passwork_client.crypto.decrypt_aes("zzzzzz", "key")
        assert passwork_client.crypto.decrypt_aes(good, "key") == "text"
