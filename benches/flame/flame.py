"""A flame graph of an import into an embedded environment: where its processor time goes.

    python flame.py KEYFERRY OUT.svg [RECORDS]

Needs Linux's `perf`. Widths are shares of samples on all threads; the color says whose code it is.
"""

import html
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "scale"))
from scale import csv, run

WIDTH, ROW, LEAST = 1200, 16, 0.4
OWNERS = [
    (r"^sqlite3|^fts5|^walFrames|^pager|^btree|^balance|^vdbe|^pcache", "#d9a441", "SQLite"),
    (r"^keyferry_crypto|^aes|^<?cbc|^md5|^sha2|^<?hmac|^base64|^zeroize", "#c45c4a", "cryptography and encodings"),
    (r"^serde|^<?serde_json|^<&mut serde", "#8a6fb5", "JSON"),
    (r"^keyferry", "#4a90a4", "keyferry"),
    (r"_\[k\]$", "#9a9a9a", "the system"),
    (r"", "#b8c4a0", "other libraries"),
]


def folded(script: str) -> dict[tuple[str, ...], int]:
    """Stacks from the root on, and how often each was met."""
    stacks: dict[tuple[str, ...], int] = defaultdict(int)
    frames: list[str] = []
    for line in [*script.splitlines(), ""]:
        if line.startswith(("\t", " ")) and line.strip():
            name = re.sub(r"^\s*[0-9a-f]+ ", "", line)
            name, _, image = name.rpartition(" (")
            name = re.sub(r"\+0x[0-9a-f]+$", "", name)
            name = re.sub(r"::h[0-9a-f]{16}$", "", name).replace("[unknown]", "?")
            frames.append(name + ("_[k]" if "kernel" in image or "vmlinux" in image else ""))
        elif not line.strip() and frames:
            stacks[tuple(reversed(frames))] += 1
            frames = []
    return stacks


def draw(stacks: dict[tuple[str, ...], int], title: str) -> str:
    total = sum(stacks.values())
    rects: list[tuple[int, float, float, str, int]] = []

    def layer(part: list[tuple[tuple[str, ...], int]], depth: int, left: float) -> None:
        groups: dict[str, list] = defaultdict(list)
        for stack, count in part:
            if len(stack) > depth:
                groups[stack[depth]].append((stack, count))
        for name in sorted(groups):
            count = sum(count for _, count in groups[name])
            width = WIDTH * count / total
            if width >= LEAST:
                rects.append((depth, left, width, name, count))
                layer(groups[name], depth + 1, left)
            left += width

    sys.setrecursionlimit(10_000)
    layer(list(stacks.items()), 0, 0)
    height = (max(depth for depth, *_ in rects) + 4) * ROW
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="10">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="4" y="12" font-size="12">{html.escape(title)}</text>',
    ]
    for index, (_, color, owner) in enumerate(OWNERS):
        at = 4 + index * 190
        out.append(f'<rect x="{at}" y="{ROW}" width="10" height="10" fill="{color}"/>')
        out.append(f'<text x="{at + 14}" y="{ROW + 9}">{owner}</text>')
    for depth, left, width, name, count in rects:
        color = next(color for pattern, color, _ in OWNERS if re.search(pattern, name))
        y = (depth + 3) * ROW
        shown = html.escape(name)
        out.append(f'<g><title>{shown}: {100 * count / total:.1f} %</title>')
        out.append(f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="{color}" stroke="#fff"/>')
        if width > 40:
            out.append(f'<text x="{left + 2:.1f}" y="{y + 11}">{html.escape(name[: int(width / 6.1)])}</text>')
        out.append("</g>")
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    keyferry, to = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2])
    records = int(sys.argv[3]) if len(sys.argv) > 3 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        env = {"HOME": folder, "KEYFERRY_MASTER_PASSWORD": "a master password for benches"}
        csv(home / "rows.csv", records)
        run([keyferry, "--json", "env", "init", "embedded:e", "--user", "admin"], env, home)
        recorded = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "299", "--call-graph", "dwarf,16384", "-o", "perf.data"]
        report, *_ = run([*recorded, keyferry, "--json", "-q", "import", "rows.csv", "embedded:e"], env, home)
        assert report["verified"] == records
        script = subprocess.run(
            ["perf", "script", "--no-inline", "-i", "perf.data", "-F", "comm,tid,ip,sym,dso"],
            cwd=home, check=True, capture_output=True, text=True, errors="replace",
        ).stdout
    stacks = folded(script)
    # The first frames of every thread say nothing.
    to.write_text(draw(stacks, f"keyferry import of {records:,} records, embedded, read back and compared: {sum(stacks.values()):,} samples"))


if __name__ == "__main__":
    main()
