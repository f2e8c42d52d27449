"""Success on held-out targets: zero-shot, and fine-tuned on ten scripted demonstrations.

Each target is a thing and a kitchen that the shipped checkpoint has never seen. All commands are
those of an operator; every target has its own workspace, its own ten demonstrations, and the same
50 start states for each policy. Finished steps are kept, so the script goes on where it stopped.

    python benchmarks/held_out_targets.py OUT [--trials 50] [--from-scratch]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TARGETS = (
    ("put_sushi_in_pot", 1_000_000),
    ("put_mushroom_on_plate", 1_000_001),
    ("take_croissant_out_of_bowl", 1_000_002),
    ("put_croissant_in_basket", 1_000_003),
    ("take_sushi_off_plate", 1_000_004),
    ("put_mushroom_in_bowl", 1_000_005),
    ("put_sushi_in_pan", 1_000_006),
)


def ptrctl(workspace: Path, *words: str) -> dict[str, Any]:
    """Run a command and return its JSON document."""
    program = Path(sys.executable).with_name("ptrctl")
    command = [str(program), *words, "--workspace", str(workspace), "--json"]
    result = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def in_words(result: dict[str, Any]) -> str:
    """k/n with its 95 % Wilson interval."""
    low, high = result["wilson_95"]
    return f"{result['successes']}/{result['trials']} [{low:.2f}, {high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials", default="50")
    parser.add_argument("--from-scratch", action="store_true")
    options = parser.parse_args()
    trials = ("--trials", options.trials)
    for task, kitchen in TARGETS:
        folder = options.out / task
        where = ("--task", task, "--kitchen", str(kitchen))
        ptrctl(folder, "record", *where, "--demonstrator", "scripted", "--fast", "-n", "10")
        row = {
            "zero-shot": ptrctl(
                folder, "evaluate", *where, "-c", "pretrained", "--session", "zero-shot", *trials
            )
        }
        ptrctl(folder, "finetune", "--task", task)
        row["fine-tuned"] = ptrctl(
            folder, "evaluate", *where, "-c", task, "--session", "fine-tuned", *trials
        )
        if options.from_scratch:
            ptrctl(folder, "finetune", "--task", task, "--from-scratch", "--name", "scratch")
            row["from scratch"] = ptrctl(
                folder, "evaluate", *where, "-c", "scratch", "--session", "scratch", *trials
            )
        cells = " | ".join(f"{name} {in_words(result)}" for name, result in row.items())
        print(f"{task} in kitchen {kitchen} | {cells}", flush=True)


if __name__ == "__main__":
    main()
