"""What a command does by default is what others, such as the demo, do with its options."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from typer.testing import CliRunner

from hardware.remote.options import ServeOptions
from ptrctl.main import app
from ptrctl.sessions.demo_state import DemoOptions
from ptrctl.sessions.session_options import EvaluateOptions, ImproveOptions
from ptrctl.sessions.training import FinetuneOptions


@pytest.mark.parametrize(
    ("command", "runs", "defaults"),
    [
        ("demo", "demo.run_demo", DemoOptions()),
        ("evaluate", "evaluation.run_evaluation", EvaluateOptions()),
        ("finetune", "training.run_finetuning", FinetuneOptions()),
        ("improve", "improvement.run_improvement", ImproveOptions()),
        ("serve-robot", "serving.run_serving", ServeOptions()),
    ],
)
def test_a_command_without_flags_takes_the_defaults_of_its_options(
    monkeypatch: pytest.MonkeyPatch, command: str, runs: str, defaults: Any
) -> None:
    taken: list[Any] = []
    monkeypatch.setattr(f"ptrctl.sessions.{runs}", lambda *given: taken.append(given[-1]) or True)
    assert CliRunner().invoke(app, [command]).exit_code == 0
    options, expected = asdict(taken[0]), asdict(defaults)
    # Serving has settings that the command does not offer, and the other way round.
    shared = options.keys() & expected.keys()
    assert len(shared) >= 3
    assert {name: options[name] for name in shared} == {name: expected[name] for name in shared}
