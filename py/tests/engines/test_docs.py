"""The page's examples, run in order, with the output that it shows."""

import doctest
from pathlib import Path

import pytest
import ray
from test_spark import start

import keyferry

PAGE = Path(__file__).resolve().parents[3] / "docs" / "engines.md"
PEOPLE = "vault,folder,name,login,password\nInfra,Databases,pg-main,postgres,tulip\nInfra,Web,wiki,root,anemone\nInfra,,mail,postmaster,crocus\nHR,,payroll,anna,daisy\n"


@pytest.fixture
def engines(scratch):
    spark = start(scratch, **{"spark.io.encryption.enabled": "false"})
    spark.sparkContext.setLogLevel("OFF")
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False, _temp_dir=str(scratch / "rd"), object_store_memory=100 << 20)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield spark
    ray.shutdown()
    spark.stop()


def test_the_page_tells_the_truth(engines, embedded, tmp_path):
    place = embedded("a")
    (tmp_path / "people.csv").write_text(PEOPLE)
    keyferry.import_file("people.csv", place)
    outcome = doctest.testfile(str(PAGE), module_relative=False, globs={"spark": engines})
    assert outcome.attempted > 25 and outcome.failed == 0
