"""The page says what happened, holds everything it shows, and runs no script."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ptrctl import charts
from ptrctl.plan import StopRule, TrialPlan
from ptrctl.report import Improvement, Report, render_report, write_report
from ptrctl.statistics import Rate
from ptrctl.trials import TrialRecord, TrialSummary, compare_sessions, summarise
from ptrctl.value_views import ValueView
from ptrctl.video import write_video
from ptrctl.workflows.attempt import AttemptSettings, Listeners, run_attempt
from recordings.records import Decision, Observation
from tests.ptrctl.test_plan import PLAN
from tests.ptrctl.workflows.fake_cell import Walker, make_fake_cell

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def session(folder: Path, outcomes: tuple[bool, ...]) -> TrialSummary:
    """Trials with real, tiny videos, and one abort."""
    records = []
    for trial, success in enumerate(outcomes):
        pictures = [np.full((48, 64, 3), 40 * (n + 1), np.uint8) for n in range(4)]
        write_video(pictures, folder / f"{trial}.mp4", 5.0)
        records.append(
            TrialRecord(
                trial=trial,
                seed=PLAN.start_seeds[trial],
                status="counted",
                success=success,
                reason="" if success else "furthest stage: <reached>",
                progress=1.0 if success else 0.25,
                stage="placed" if success else "reached",
                steps=4,
                interventions={"step_clamp": 2},
                video=f"{trial}.mp4",
            )
        )
    fault = TrialRecord(0, PLAN.start_seeds[0], "aborted", reason="Motor 3 overheated")
    return summarise(PLAN, [fault, *records], folder)


@pytest.mark.parametrize("left", [b"", b"not a film"])
def test_a_film_that_a_power_cut_left_empty_costs_no_report(tmp_path: Path, left: bytes) -> None:
    summary = session(tmp_path, (True, False))
    (tmp_path / "0.mp4").write_bytes(left)
    page = render_report(Report(title="t", lead="l", sessions={"s": summary}))
    assert page.count("<video") == 1


@pytest.fixture
def report(tmp_path: Path) -> Report:
    before = session(tmp_path / "before", (False, False, True))
    after = session(tmp_path / "after", (True, False, True))
    return Report(
        title="Carrots & plates",
        lead="What was done.",
        sessions={"before practice": before, "after practice": after},
        comparisons={"after against before": compare_sessions(before, after)},
        improvement=Improvement(
            (True, False, True), Rate(1, 4), Rate(3, 4), "The practised one is recommended.", True
        ),
        training={"loss": [(0, 1.0), (10, 0.5)]},
        stages_s={"fine-tune": 61.0, "evaluate": 12.0},
        notes=("All in simulation.",),
        facts={"ptrctl": "0.1.0"},
    )


class _Links(HTMLParser):
    """Collects tags and whatever a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "poster", "data", "srcset") or (tag == "link" and name == "href"):
                self.loads.append(value or "")


def test_rates_are_shown_as_counts_with_intervals(report: Report) -> None:
    html = render_report(report)
    text = re.sub(r"<[^>]+>", "", html)
    assert "1/3" in text
    assert "2/3" in text
    assert "[0.06, 0.79]" in text
    assert "1/4 [0.05, 0.70] before, 3/4 [0.30, 0.95] after" in text
    assert "Motor 3 overheated" in text
    assert "step_clamp in 6 steps" in text
    assert PLAN.criterion in text
    assert "1 min 13 s" in text
    assert not re.search(r"\d%(?![;\"])", text.replace("95 %", ""))


def test_the_page_loads_nothing_and_runs_no_script(report: Report) -> None:
    links = _Links()
    links.feed(render_report(report))
    assert "script" not in links.tags
    assert links.tags.count("video") == 6
    assert links.loads
    assert all(link.startswith("data:") for link in links.loads)


def test_words_from_outside_are_escaped(report: Report) -> None:
    html = render_report(report)
    assert "Carrots &amp; plates" in html
    assert "&lt;reached&gt;" in html
    assert "<reached>" not in html


def test_a_session_named_from_outside_is_escaped_in_its_chart(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    def view(name: str, summary: TrialSummary) -> ValueView:
        return ValueView(charts.value_curves([(True, [0.1, 0.2], None)], f"Values {name}"), ())

    monkeypatch.setattr("ptrctl.report.value_view", view)
    name = 'mug"><img src=x onerror=alert(1)>'
    html = render_report(
        dataclasses.replace(report, sessions={name: report.sessions["after practice"]})
    )
    assert 'aria-label="Values mug&quot;&gt;&lt;img src=x' in html
    assert "<img src=x" not in html


def test_identifiers_in_charts_are_unique(report: Report) -> None:
    identifiers = re.findall(r'\bid="([^"]+)"', render_report(report))
    assert identifiers
    assert len(identifiers) == len(set(identifiers))


def test_a_roll_back_is_said(report: Report) -> None:
    rolled_back = Improvement((False,), Rate(3, 4), Rate(1, 4), "Rolled back.", False)
    html = render_report(dataclasses.replace(report, improvement=rolled_back))
    assert "↩ Rolled back." in html


def test_a_video_that_is_too_large_is_left_out(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptrctl.report.LARGEST_CLIP_BYTES", 10)
    assert "<video" not in render_report(report)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("width", [1100, 400])
def test_a_browser_shows_the_page(report: Report, tmp_path: Path, width: int) -> None:
    from PIL import Image

    page = write_report(report, tmp_path / "report.html")
    picture = tmp_path / "page.png"
    assert CHROMIUM is not None
    subprocess.run(
        [
            CHROMIUM,
            *["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
            *["--disable-background-networking", "--disable-component-update", "--disable-sync"],
            f"--user-data-dir={tmp_path / 'browser'}",
            f"--window-size={width},1600",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    image = np.asarray(Image.open(picture).convert("RGB"))
    assert image.shape[1] == width
    # Words, bars and cards: many colours, and not one flat colour over most of the page.
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 100
    assert (image == image[0, 0]).all(axis=2).mean() < 0.9


def chart_of(folder: Path, *, chances: bool, plan: TrialPlan = PLAN) -> str:
    """The page of two real recordings, the first a success, whose values differ."""
    cell = make_fake_cell()
    paths = []
    for low in (0.2, 0.9):
        extras = {"q": -5.0 * low, **({"chance": 1.0 - low} if chances else {})}
        policy = Foretelling(extras, step_m=0.05 if low < 0.5 else 0.0)
        settings = AttemptSettings("trial", 40, 2, folder / "episodes")
        with cell.station:
            attempt = run_attempt(cell, policy, settings, 1, Listeners())
        assert attempt is not None
        assert attempt.episode is not None
        paths.append(str(attempt.episode.relative_to(folder)))
    records = [
        TrialRecord(n, PLAN.start_seeds[n], "counted", success=n == 0, episode=path)
        for n, path in enumerate(paths)
    ]
    sessions = {"tuned": summarise(plan, records, folder)}
    return render_report(Report(title="Values", lead="", sessions=sessions))


class Foretelling(Walker):
    """Keeps the same extras with every step."""

    def __init__(self, extras: dict[str, float], step_m: float) -> None:
        super().__init__(step_m)
        self.extras = extras

    def act(self, observation: Observation) -> Decision:
        return dataclasses.replace(super().act(observation), extras=self.extras)


def test_values_are_drawn_and_what_they_foretold_is_measured(tmp_path: Path) -> None:
    html = chart_of(tmp_path, chances=True)
    text = re.sub(r"<[^>]+>", " ", html)
    assert "success chance" in text
    assert "Q of the chosen action" in text
    # The success of five steps has ended by then: one trial is left, and nothing to compare.
    assert re.search(
        r"AUROC of Q at step 13 of 40, of trials still running\s+not defined \(1 trials, 0", text
    )
    assert re.search(
        r"one third of the trial's own length[^0-9]+1\.00 \[", text.replace("&#39;", "'")
    )
    assert "calibration error of the chances shown live" in text


def test_without_a_calibration_there_are_values_and_no_chances(tmp_path: Path) -> None:
    html = chart_of(tmp_path, chances=False)
    assert "success chance" not in html
    assert "is no chance" in html


def test_figures_are_not_given_where_trials_were_given_up(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, stop_hopeless=StopRule(0.05, "feedbeef"))
    html = chart_of(tmp_path, chances=True, plan=plan)
    assert "AUROC of Q" not in html
    assert "given up as hopeless" in html
    assert "below 0.05 in 3 periods in a row" in html
