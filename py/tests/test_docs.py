"""The guide's examples, run in order, with the output that it shows."""

import doctest
from pathlib import Path

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
