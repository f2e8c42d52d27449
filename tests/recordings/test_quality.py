from __future__ import annotations

from pathlib import Path

from recordings.quality import quality
from recordings.records import Label, Outcome
from tests.recordings.episodes import FAILURE, record


def test_figures_are_by_task(tmp_path: Path) -> None:
    record(tmp_path, "e0", steps=3)
    record(tmp_path, "e1", steps=6, label=FAILURE)
    record(tmp_path, "e2", steps=2, task="open_drawer", label=Label())
    rows = [(row.task, row.episodes) for row in quality(tmp_path)]
    assert rows == [("open_drawer", 1), ("put_carrot_on_plate", 2)]


def test_figures_of_a_task_are_summed(tmp_path: Path) -> None:
    record(tmp_path, "e0", steps=3)
    record(tmp_path, "e1", steps=6, label=FAILURE)
    (carrot,) = quality(tmp_path)
    assert carrot.outcomes == {Outcome.SUCCESS: 1, Outcome.FAILURE: 1, Outcome.UNLABELLED: 0}
    assert (carrot.episodes, carrot.steps, carrot.mean_steps) == (2, 9, 4.5)
    assert (carrot.shortest, carrot.longest) == (3, 6)
    assert carrot.overruns == 2
    assert carrot.interventions == {"step_clamp": 3}
    assert carrot.recovered == 0
    # Every step wants 0.06 m along x, one of six motion components.
    assert abs(carrot.saturation - 1 / 6) < 1e-12
