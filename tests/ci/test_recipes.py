"""The recipes of `docs/ci`: they parse, and each line of theirs that calls keyferry runs."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import BASE, BINARY, credentials, keyferry

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "ci"
RECIPES = sorted(file for file in FOLDER.iterdir() if file.suffix != ".md")


@pytest.mark.parametrize("file", [file for file in RECIPES if file.suffix == ".yml"], ids=lambda file: file.name)
def test_a_recipe_is_yaml(file: Path):
    assert isinstance(yaml.safe_load(file.read_text()), dict)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.name)
def test_what_a_recipe_types_runs(file: Path, serve, tmp_path: Path):
    server = serve("on")
    table = tmp_path / "app.csv"
    table.write_text("vault,folder,name,login,password\nInfra,app,DB_PASSWORD,u,planted-secret\nInfra,app,PATH,u,12345\n")
    keyferry("import", table, server.url, env=server.env)
    deploy = tmp_path / "deploy.sh"
    deploy.write_text('#!/bin/sh\necho "found ${#APP_DB_PASSWORD} letters: $APP_DB_PASSWORD"\n')
    deploy.chmod(0o700)
    (tmp_path / "keyferry").symlink_to(BINARY)
    lines = re.findall(r"\./keyferry \w[^'\n]*", file.read_text())
    assert {line.split()[1] for line in lines} == {"exec", "audit"}
    env = BASE | credentials(server.ready, "PASSWORK") | {"PASSWORK_HOST": server.url}
    for line in lines:
        run = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        # An audit that finds weak passwords ends with 4, as the recipe asks it to.
        assert run.returncode == (4 if "--fail-on high" in line else 0), f"{line}\n{run.stdout}{run.stderr}"
        assert "planted-secret" not in run.stdout + run.stderr
        if " exec " in line:
            assert "found 14 letters" in run.stdout
    assert any(tmp_path.glob("audit.*"))


def test_the_table_names_every_recipe():
    page = (FOLDER / "README.md").read_text()
    for file in RECIPES:
        assert f"[{file.name}]({file.name})" in page
