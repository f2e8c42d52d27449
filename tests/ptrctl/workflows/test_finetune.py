"""Which checkpoint of a run is recommended, and why, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policies import training
from policies.checkpoint import MODEL_FILE
from policies.selection import CRITERIA, HeldOutScore
from policies.training import TrainingEvent
from ptrctl.checkpoints import TRAINING
from ptrctl.workflows.finetune import (
    Demonstrations,
    TrainingRequest,
    finetune,
    read_metrics,
    reason_in_words,
)
from tests.policies.synthetic import dot_data

NAN = float("nan")
BEST = HeldOutScore(0.931, 2.345, 0.031, 0.02, 0.01)
NEXT = HeldOutScore(0.872, 3.456, 0.052, 0.0, 0.01)
CLONED = HeldOutScore(NAN, NAN, 0.031, 0.02, 0.01)


OF_TWO = "best of 2 on the held-out demonstration by"


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("last", "the last checkpoint of the run"),
        ("rise of Q", f"{OF_TWO} rise of Q: +0.93"),
        ("TD error", f"{OF_TWO} TD error: 2.35"),
        ("action error", f"{OF_TWO} action error: 0.051"),
    ],
)
def test_the_reason_names_the_criterion_and_its_figures(criterion: str, expected: str) -> None:
    assert reason_in_words(criterion, [BEST, NEXT], critic=True) == expected


@pytest.mark.parametrize("criterion", ["rise of Q", "TD error"])
def test_where_no_value_was_learned_the_last_is_taken_and_said_so(criterion: str) -> None:
    reason = reason_in_words(criterion, [CLONED, CLONED], critic=False)
    assert reason == f"the last of 2: no critic has been trained to judge by {criterion}"
    reason = reason_in_words(criterion, [CLONED, CLONED], critic=True)
    assert reason == f"the last of 2: their {criterion} is not a number"


@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_reason_says_nan(criterion: str) -> None:
    assert "nan" not in reason_in_words(criterion, [CLONED, CLONED], critic=False)


def four_updates(folder: Path) -> TrainingRequest:
    return TrainingRequest(
        run=folder / "mine",
        steps=4,
        learner="ptr",
        init=None,
        preset="tiny",
        seed=0,
        robot="sim-wx250s",
        cache=folder,
    )


def test_progress_without_metrics_is_no_line_of_their_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "TELL_EVERY_S", 0.0)
    told: list[TrainingEvent] = []
    request = four_updates(tmp_path)
    data: Any = dot_data(8)
    finetune(request, Demonstrations({}, data, "", None), None, told.append)
    assert [event.step for event in told] == [1, 2, 3, 4]
    assert [step for step, _ in read_metrics(request.run)["td"]] == [4]


def test_a_damaged_checkpoint_of_a_run_is_passed_over_and_named(tmp_path: Path) -> None:
    request = four_updates(tmp_path)
    data: Any = dot_data(8)
    shown = Demonstrations({}, data, "dots 8", data)
    assert len(finetune(request, shown, None).scores) == 2
    model = request.run / TRAINING / "checkpoints" / "step-0000003" / MODEL_FILE
    content = bytearray(model.read_bytes())
    content[-10] ^= 1
    model.write_bytes(content)
    again = finetune(request, shown, None)
    assert again.checkpoint.path.name == "step-0000004"
    assert again.reason.startswith("best of 1 ")
    assert again.reason.endswith("; step-0000003 is damaged and was passed over")
