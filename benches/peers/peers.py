"""The same work by keyferry and by the official Python client, in one run, as ratios.

Run it with `make bench-peers`. The network is left out on both sides.
"""

import json
import subprocess
import sys

import official


def row(work: str, theirs: float, ours: float, target: str) -> str:
    return f"| {work} | {theirs * 1e6:,.0f} µs | {ours * 1e6:,.1f} µs | {theirs / ours:,.0f} × | {target} |"


def main() -> None:
    ours = json.loads(subprocess.run(sys.argv[1:], check=True, capture_output=True, text=True).stdout)
    theirs = official.measure()
    print("| one record with a password and three custom fields | official client | keyferry, one core | ratio | target |")
    print("|---|---|---|---|---|")
    print(row("encrypt", theirs["encrypt"], ours["encrypt_one"], "50 ×"))
    print(row("decrypt, official client as shipped", theirs["decrypt_as_shipped"], ours["decrypt_one"], "1,000 ×"))
    print(row("decrypt, its vault key cached by hand", theirs["decrypt_cached"], ours["decrypt_one"], "50 ×"))
    for kib in (16, 32, 64):
        attachment = f"attachment_{kib}k"
        print(row(f"encrypt an attachment of {kib} KiB", theirs[attachment], ours[attachment], ""))
    print()
    print(f"keyferry, all cores against one: encrypt {ours['encrypt_one'] / ours['encrypt_all']:.2f} ×, ", end="")
    print(f"decrypt {ours['decrypt_one'] / ours['decrypt_all']:.2f} × (target 1.8 × on two cores)")
    print(f"keyferry, encrypt an attachment of 1 MiB on one core: {ours['attachment_1m'] * 1e3:.1f} ms (target 30 ms)")


main()
