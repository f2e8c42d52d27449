"""One self-contained HTML page about trials: no script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ptrctl import charts
from ptrctl.files import write_text
from ptrctl.statistics import PairedComparison, Rate
from ptrctl.trials import TrialRecord, TrialSummary
from ptrctl.value_views import value_view
from recordings.records import ImageArray

CLIPS_OF_EACH_KIND = 3
"""Videos of the first successes and of the first failures of each session."""

LARGEST_CLIP_BYTES = 400_000
LARGEST_CLIPS_BYTES = 8_000_000
"""Together; a report should open at once and fit into an e-mail."""


@dataclass(frozen=True)
class Improvement:
    """What autonomous practice did.

    Args:
        outcomes: Success of each practice trial of the task by the policy, in order.
        selection_before, selection_after: Measured success on the selection start states; None
            where nothing was learned or measured after it.
        verdict: Which checkpoint is recommended and why, a sentence.
        kept: The improved checkpoint is the recommended one.
    """

    outcomes: tuple[bool, ...]
    selection_before: Rate
    selection_after: Rate | None
    verdict: str
    kept: bool


@dataclass(frozen=True)
class Report:
    """Everything that a page shows.

    Args:
        title: The page's.
        lead: One or two sentences: what was done.
        sessions: Name ("before improvement") to its trials, in the order to show them.
        comparisons: Name to a paired comparison.
        improvement: Of autonomous practice, if there was any.
        training: Quantity to (step, value) pairs, if training is part of it.
        stages_s: Stage to seconds used, where time is part of the story.
        notes: Sentences that the reader must not miss.
        facts: Name to words: versions, machine, digests.
    """

    title: str
    lead: str
    sessions: Mapping[str, TrialSummary]
    comparisons: Mapping[str, PairedComparison] = field(default_factory=dict)
    improvement: Improvement | None = None
    training: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    stages_s: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def write_report(report: Report, path: Path) -> Path:
    """Write the page in one step; returns `path`."""
    write_text(path, render_report(report))
    return path


def render_report(report: Report) -> str:
    """The page as HTML text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ptrctl", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    learning = training = ""
    if report.improvement and report.improvement.outcomes:
        learning = charts.learning_curve(report.improvement.outcomes, "Learning curve")
    if report.training:
        training = charts.training_curves(report.training, "Training")
    budget = _Budget(LARGEST_CLIPS_BYTES)
    return environment.get_template("report.html.j2").render(
        report=report,
        sessions=[
            {
                "name": name,
                "summary": summary,
                "low": 100 * summary.rate.interval[0],
                "high": 100 * summary.rate.interval[1],
                "point": 100 * summary.rate.successes / max(1, summary.rate.trials),
                "clips": _clips(summary, budget),
                "critic": value_view(name, summary),
            }
            for name, summary in report.sessions.items()
        ],
        learning_curve=learning,
        training_chart=training,
        plans=_plans(report.sessions),
        total_s=sum(report.stages_s.values()),
    )


@dataclass
class _Budget:
    """Bytes that videos may still take."""

    left: int

    def take(self, size: int) -> bool:
        if size > min(self.left, LARGEST_CLIP_BYTES):
            return False
        self.left -= size
        return True


def _clips(summary: TrialSummary, budget: _Budget) -> list[dict[str, Any]]:
    """The first successes and failures with a video small enough."""
    clips = []
    for wanted in (True, False):
        records = [r for r in summary.counted if r.success is wanted and r.video]
        for record in records[:CLIPS_OF_EACH_KIND]:
            clip = _clip(record, summary.folder / record.video, budget)
            if clip is not None:
                clips.append(clip)
    return clips


def _clip(record: TrialRecord, path: Path, budget: _Budget) -> dict[str, Any] | None:
    if not path.exists():
        return None
    video = path.read_bytes()
    if not budget.take(len(video)):
        return None
    pictures = _first_and_last_picture(path)
    if pictures is None:
        return None
    first, last = pictures
    return {
        "record": record,
        "video": _data_uri(video, "video/mp4"),
        "first": _data_uri(_jpeg(first), "image/jpeg"),
        "last": _data_uri(_jpeg(last), "image/jpeg"),
    }


def _first_and_last_picture(path: Path) -> tuple[ImageArray, ImageArray] | None:
    """None if the file is no film, as after a power cut."""
    import av

    try:
        with av.open(str(path)) as container:
            frames = list(container.decode(video=0))
    except av.FFmpegError:
        return None
    if not frames:
        return None
    first, last = (
        np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in (frames[0], frames[-1])
    )
    return first, last


def _jpeg(picture: ImageArray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=80)
    return out.getvalue()


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _plans(sessions: Mapping[str, TrialSummary]) -> dict[str, list[tuple[str, str]]]:
    """Session to its plan in rows."""
    rows = {}
    for name, summary in sessions.items():
        plan = summary.plan
        seeds = plan.start_seeds
        consecutive = seeds == tuple(range(seeds[0], seeds[0] + len(seeds)))
        rows[name] = [
            ("task", plan.task),
            ("success means", plan.criterion),
            ("trials", str(plan.trials)),
            (
                "start seeds",
                f"{seeds[0]} to {seeds[-1]}" if consecutive else ", ".join(map(str, seeds)),
            ),
            ("arm", plan.robot),
            ("kitchen", "—" if plan.kitchen_seed is None else str(plan.kitchen_seed)),
            ("checkpoint", f"{plan.checkpoint} ({plan.checkpoint_digest[:12]})"),
            ("policy", plan.policy_mode),
            ("time limit", f"{plan.max_steps} steps"),
            ("hopeless trials", str(plan.stop_hopeless or "use their time like all others")),
            ("test", plan.test),
            ("frozen at", plan.created_at),
            ("ptrctl", plan.code_version),
        ]
    return rows
