"""The guide's examples, run in order, with the output that it shows."""

import doctest
import re
from pathlib import Path

import keyferry

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
PEOPLE = """vault,folder,name,login,password
Infra,Databases,pg-main,postgres,tulip
Infra,Web,wiki,root,anemone
Infra,,mail,postmaster,crocus
HR,,payroll,anna,daisy
"""


def test_the_guide_tells_the_truth(embedded, tmp_path):
    embedded("a"), embedded("b")
    (tmp_path / "people.csv").write_text(PEOPLE)
    outcome = doctest.testfile(str(GUIDE), module_relative=False)
    assert outcome.attempted > 30 and outcome.failed == 0


def test_the_script_before_and_after(served, tmp_path):
    (tmp_path / "people.csv").write_text(PEOPLE)
    ready = served()
    there = {"host": ready["url"], "token": ready["access_token"]}
    there |= {name: ready[name] for name in ("refresh_token", "master_key")}
    part = GUIDE.read_text().split("## A script before and after")[1].split("\n## ")[0]
    before, after = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    exec(before, dict(there))
    exec(after, dict(there))
    env = keyferry.connect(there["host"], token=there["token"], refresh_token=there["refresh_token"], master_key=there["master_key"])
    names = sorted(record.name for record in env.records())
    # What the script made in the vault itself is there already: only what has a folder, or another vault, is made.
    assert names == sorted(["mail", *2 * ["payroll", "pg-main", "wiki"]])
    assert {record.password for record in env.records() if record.name == "wiki"} == {"anemone"}
