"""What the official command answered, kept in `answers.json`: how it is written, read, and made good for any run."""

import fcntl
import functools
import hmac
import json
import os
import platform
import re
import zlib
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

FILE = Path(__file__).parent / "answers.json"
RECORDING = bool(os.environ.get("KEYFERRY_RECORD"))
# Stands in a difference for a member that is there no more.
GONE = "{gone}"


def tenth() -> str:
    """Which cases the official command also runs live: "all", or another tenth each day."""
    return os.environ.get("KEYFERRY_OFFICIAL") or str(datetime.now(timezone.utc).toordinal() % 10)


def is_live(name: str, chosen: str) -> bool:
    return chosen == "all" or zlib.crc32(name.encode("utf-8", "surrogateescape")) % 10 == int(chosen)


class Names:
    """The values of one run by the names that stand for them in the file."""

    def __init__(self, values: dict[str, str], times: dict[str, str]):
        # Two names for one value: the first in the order of the alphabet.
        self.shown = {value: name for name, value in sorted(values.items(), reverse=True) if value}
        self.values = values | times

    def hide(self, text: str) -> str:
        text = alternatives(self.shown).sub(lambda found: self.shown[found[0]], text)
        assert GONE not in text
        # Times are the same number for many: told apart by the object that they stand in.
        owner, lines = "", []
        for line in text.splitlines(keepends=True):
            if found := re.search(r'"id": "\{(\w+)\}"', line):
                owner = found[1]
            lines.append(re.sub(r'(?<="(createdAt|updatedAt)": )\d+', rf"{{{owner}.\1}}", line))
        return "".join(lines)

    def fill(self, text: str) -> str:
        return alternatives(self.values).sub(lambda found: self.values[found[0]], text)


def alternatives(texts: dict[str, str]) -> re.Pattern:
    """The longest first, so that none is taken for another's beginning."""
    return re.compile("|".join(map(re.escape, sorted(texts, key=lambda text: (-len(text), text)))))


def through(change, value: object) -> object:
    """Every text in it, changed."""
    match value:
        case str():
            return change(value)
        case list():
            return [through(change, one) for one in value]
        case dict():
            return {name: through(change, one) for name, one in value.items()}
    return value


def difference(before: dict, after: dict) -> dict:
    """What `patched` needs to make the one of the other: only what an update did is written down."""
    changes = {}
    for key, now in after.items():
        was = before[key]
        if now != was and isinstance(now, dict):
            changes[key] = {name: now.get(name, GONE) for name in was | now if name not in was or now.get(name, GONE) != was[name]}
        elif now != was:
            changes[key] = now
    return changes


def patched(before: dict, changes: dict) -> dict:
    after = {}
    for key, was in before.items():
        change = changes.get(key, {})
        whole = was | change if isinstance(change, dict) else change
        after[key] = {name: value for name, value in whole.items() if value != GONE} if isinstance(whole, dict) else whole
    return after


def codes(secret: bytes, digest: str, digits: int, period: int, begin: float, end: float) -> list[str]:
    """RFC 6238: the one-time codes of a span of time."""
    found = []
    for step in range(int(begin) // period, int(end) // period + 1):
        mac = hmac.digest(secret, step.to_bytes(8, "big"), digest)
        place = mac[-1] & 15
        number = int.from_bytes(mac[place : place + 4], "big") & 0x7FFFFFFF
        found.append(str(number % 10**digits).zfill(digits))
    return found


def made_by() -> dict[str, str]:
    return {"passwork-python": version("passwork-python"), "python": ".".join(platform.python_version_tuple()[:2])}


@functools.cache
def recorded() -> dict:
    return json.loads(FILE.read_text("utf-8")) if FILE.exists() else {"made_by": {}, "untouched": {}, "answers": {}}


def write(answers: dict[str, dict], untouched: dict[str, dict], cases: dict[str, set[str]]) -> None:
    """Takes these answers into the file, whose other writers wait, and drops those without a case."""
    with FILE.open("a+", encoding="utf-8", errors="backslashreplace") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        old = json.loads(file.read() or '{"untouched": {}, "answers": {}}')
        merged = {mode: old["answers"].get(mode, {}) | answers.get(mode, {}) for mode in cases}
        whole = {
            "answers": {mode: {name: answer for name, answer in merged[mode].items() if name in cases[mode]} for mode in cases},
            "made_by": made_by(),
            "untouched": old["untouched"] | untouched,
        }
        file.truncate(0)
        # Half of a surrogate pair, which stands for a byte that is no text, becomes JSON's own escape.
        file.write(laid_out(whole) + "\n")


def laid_out(value: object, depth: int = 0) -> str:
    """JSON for people and for `git diff`: sorted, and on one line what fits."""
    flat = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(flat) + depth <= 120 or not isinstance(value, (dict, list)):
        return flat
    if isinstance(value, list):
        opening, closing, rows = "[", "]", [laid_out(one, depth + 1) for one in value]
    else:
        opening, closing = "{", "}"
        rows = [f"{json.dumps(name, ensure_ascii=False)}: {laid_out(value[name], depth + 1)}" for name in sorted(value)]
    inner = "\n" + " " * (depth + 1)
    return opening + inner + f",{inner}".join(rows) + "\n" + " " * depth + closing
