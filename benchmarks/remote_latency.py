"""What a control step costs when the arm is behind a server, against the same arm in process.

Both are the simulated arm, in real time, over loopback: what remains between them is messages,
JPEG and the second safety envelope.

python benchmarks/remote_latency.py --steps 100
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from hardware.modules import SIMULATED
from hardware.registry import Cell, CellRequest, make_cell
from hardware.remote.tokens import FILE_NAME
from hardware.station import Station
from ptrctl.profile import Profile, save_profile
from ptrctl.workspace import Workspace
from recordings.records import CONTROL_RATE_HZ

ROOT = Path(__file__).resolve().parents[1]
TASK = "put_carrot_on_plate"
PARTS = ("observe", "apply", "step")


@contextmanager
def served(image_size: int) -> Iterator[Cell]:
    """The simulated arm behind `ptrctl serve-robot` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        save_profile(Workspace(Path(folder)), Profile(task=TASK, image_size=image_size))
        command = [sys.executable, "-c", "from ptrctl.main import main; main()", "serve-robot"]
        process = subprocess.Popen(
            [*command, "--port", "0", "-w", folder],
            cwd=ROOT,
            env={"COLUMNS": "300", "PATH": "/usr/bin:/bin"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None, "it is a pipe"
        try:
            serving = None
            while serving is None:
                said = process.stderr.readline()
                serving = re.search(r"Serving.*tcp://127\.0\.0\.1:(\d+)", said)
                assert said, "the server ended"
            port = int(serving[1])
            options = {"port": port, "token_file": f"{folder}/{FILE_NAME}"}
            yield make_cell(
                "remote", CellRequest(TASK, image_size=image_size, robot_options=options)
            )
        finally:
            process.terminate()
            process.communicate()


def step_ms(station: Station, action: np.ndarray) -> tuple[float, float, float]:
    """How long observing, applying, and both together take."""
    begun = time.perf_counter()
    station.observe()
    observed = time.perf_counter()
    station.apply(action)
    applied = time.perf_counter()
    return 1000 * (observed - begun), 1000 * (applied - observed), 1000 * (applied - begun)


def compare(here: Cell, there: Cell, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (steps, parts) in process and remote, in turns so that both meet the same load."""
    times = []
    with here.station, there.station:
        for cell in (here, there):
            cell.start(0)
        for index in range(steps + 5):
            action = np.array([0.001 * (-1) ** index, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
            times.append([step_ms(cell.station, action) for cell in (here, there)])
            there.station.stop()  # A loaded machine may be slower than the dead-man rule allows.
    own, remote = np.array(times[5:]).transpose(1, 0, 2)
    return own, remote


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--image-sizes", type=int, nargs="+", default=[128, 256, 480])
    arguments = parser.parse_args()
    period_ms = 1000.0 / CONTROL_RATE_HZ
    print(f"{'pixels':8}{'part':9}{'in process':>12}{'remote':>9}{'99 %':>8}{'ratio':>7}  ms")
    for size in arguments.image_sizes:
        here = make_cell(SIMULATED, CellRequest(TASK, image_size=size))
        with served(size) as there:
            own, remote = compare(here, there, arguments.steps)
            trip_ms = 1000 * there.station.robot.identity["round_trip_s"]
        middle, far = np.median(own, axis=0), np.median(remote, axis=0)
        slow = np.quantile(remote, 0.99, axis=0)
        for part, name in enumerate(PARTS):
            print(
                f"{size:<8}{name:9}{middle[part]:12.1f}{far[part]:9.1f}{slow[part]:8.1f}"
                f"{far[part] / middle[part]:7.2f}",
                flush=True,
            )
        added = float(np.median(remote[:, 2] - own[:, 2]))
        print(
            f"{size:<8}added {added:.1f} ms = {added / period_ms:.1%} of a control period; "
            f"bare round trip {trip_ms:.2f} ms"
        )


if __name__ == "__main__":
    main()
