"""The recipes of `docs/ci`: they parse, and keyferry knows each command and flag that they use."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import BASE, BINARY

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "ci"
RECIPES = sorted(file for file in FOLDER.iterdir() if file.suffix != ".md")


@pytest.mark.parametrize("file", [file for file in RECIPES if file.suffix == ".yml"], ids=lambda file: file.name)
def test_a_recipe_is_yaml(file: Path):
    assert isinstance(yaml.safe_load(file.read_text()), dict)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.name)
def test_keyferry_knows_what_a_recipe_asks_for(file: Path):
    commands = re.findall(r"\./keyferry (\w+)([^'\n]*)", file.read_text())
    assert {command for command, _ in commands} == {"exec", "audit"}
    for command, rest in commands:
        run = subprocess.run([BINARY, command, "--help"], env=BASE, capture_output=True, text=True, check=True)
        for flag in re.findall(r"--[a-z-]+", rest.split(" -- ")[0]):
            assert re.search(rf"{flag}\b", run.stdout), f"{command} has no {flag}"


def test_the_table_names_every_recipe():
    page = (FOLDER / "README.md").read_text()
    for file in RECIPES:
        assert f"[{file.name}]({file.name})" in page
