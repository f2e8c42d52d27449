"""A workspace in which a tiny policy has been trained, for tests of whole commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ptrctl.main import app

TASK, KITCHEN = "put_carrot_on_plate", "5"


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    for command in (
        f"record -w {folder} -t {TASK} --kitchen {KITCHEN} --demonstrator scripted --fast -n 5",
        f"pretrain -w {folder} --data {folder}/demos/{TASK} --preset tiny --learner bc "
        "--steps 12 --name base",
    ):
        result = CliRunner().invoke(app, command.split())
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def trained(_trained: Path, tmp_path: Path) -> Path:
    """A workspace of one's own with five demonstrations and the checkpoint `base`."""
    folder = tmp_path / "workspace"
    shutil.copytree(_trained, folder)
    return folder


def run(command: str, workspace: Path, *, code: int = 0) -> Any:
    """What a command printed with `--json`, once it has ended with `code`."""
    result = CliRunner().invoke(app, [*command.split(), "-w", str(workspace), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def evaluate(workspace: Path, more: str = "", *, code: int = 0) -> Any:
    """As `run`, a few short trials of the checkpoint `base`."""
    command = f"evaluate -t {TASK} --kitchen {KITCHEN} -c base --max-steps 6 {more}"
    return run(command, workspace, code=code)
