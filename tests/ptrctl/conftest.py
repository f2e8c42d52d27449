"""A workspace in which a tiny policy has been trained, for tests of whole commands."""

from __future__ import annotations

import shutil
from pathlib import Path

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
