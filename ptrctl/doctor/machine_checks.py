"""What `ptrctl doctor` looks at on this machine: Python, packages, graphics, clock, terminal."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

from hardware.checks import Finding, Health
from ptrctl.terminal import console

EXTRAS = {
    "dynamixel": "dynamixel_sdk",
    "interbotix": "modern_robotics",
    "trossen": "trossen_arm",
    "bridge": "zmq",
    "remote": "msgpack",
    "realsense": "pyrealsense2",
    "uvc": "cv2",
    "spacemouse": "hid",
    "gamepad": "pygame",
    "phone": "teleop",
}
"""Optional extra to a module that comes with it."""
GOOD_PYTHON = ((3, 10), (3, 14))
SMALL_TERMINAL = (80, 24)
LATE_WAKE_S = 0.02
RENDER_TIMEOUT_S = 60
COMMAND_TIMEOUT_S = 5
FEW_CORES = 2

# In a process of its own: a broken OpenGL driver may end the process that tries it.
_RENDER_TEST = """
from hardware.sim.gl import choose_backend
backend = choose_backend()
import mujoco
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><light pos="0 0 2"/><geom size="0.3" rgba="1 0 0 1"/></worldbody></mujoco>'
)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    picture = renderer.render()
assert picture.max() > 0, "the picture is black"
print(backend)
"""


def check_python() -> Finding:
    low, high = GOOD_PYTHON
    found = f"Python {platform.python_version()}"
    if low <= sys.version_info[:2] < high:
        return Finding("Python", Health.OK, found)
    return Finding("Python", Health.FAIL, found, "Make an environment with Python 3.10 to 3.13.")


def check_packages() -> Finding:
    missing = [name for name in needed_packages() if not is_there(name)]
    if missing:
        return Finding(
            "packages", Health.FAIL, f"Missing: {', '.join(missing)}.", "Run `pip install ptrctl`."
        )
    return Finding("packages", Health.OK, "All needed packages are installed.")


def needed_packages() -> list[str]:
    """What ptrctl was installed with, by the names of the package index; extras apart."""
    declared = [words for words in requires("ptrctl") or [] if "extra ==" not in words]
    return [re.split(r"[^\w.-]", words, maxsplit=1)[0] for words in declared]


def is_there(package: str) -> bool:
    """Whether a package is installed, by its name of the package index."""
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def check_extras() -> Finding:
    there = [extra for extra, module in EXTRAS.items() if is_installed(module)]
    missing = [extra for extra in EXTRAS if extra not in there]
    if not missing:
        return Finding("extras", Health.OK, "For every arm, camera and device.")
    fix = f"For those that you use: `pip install 'ptrctl[{missing[0]}]'`, and so on."
    return Finding("extras", Health.ABSENT, f"Not installed: {', '.join(missing)}.", fix)


def is_installed(module: str) -> bool:
    """Whether a top-level module can be found; does not import it."""
    return importlib.util.find_spec(module) is not None


def check_torch() -> Finding:
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as problem:
        return Finding(
            "torch",
            Health.FAIL,
            f"PyTorch cannot be imported: {problem}.",
            "Run `pip install 'torch>=2.6,<2.14'`.",
        )
    found = f"PyTorch {torch.__version__}; every command computes on the CPU"
    return Finding("torch", Health.OK, found)


def check_rendering() -> Finding:
    from hardware.sim.gl import PACKAGES

    fix = (
        f"Run `sudo apt-get install {PACKAGES}` (or `libosmesa6` and `export MUJOCO_GL=osmesa`), "
        "then `ptrctl doctor`."
    )
    try:
        run = subprocess.run(
            [sys.executable, "-c", _RENDER_TEST],
            # Python looks there first: a lab's own package `hardware` is not ours.
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            timeout=RENDER_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding("rendering", Health.FAIL, f"No picture in {RENDER_TIMEOUT_S} s.", fix)
    if run.returncode == 0:
        return Finding("rendering", Health.OK, f"MuJoCo draws through {run.stdout.strip()}.")
    lines = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
    chosen = os.environ.get("MUJOCO_GL")
    setting = f" with MUJOCO_GL={chosen}" if chosen else ""
    if chosen:
        fix = f"Run `unset MUJOCO_GL`, then `ptrctl doctor`. If that does not help: {fix}"
    return Finding("rendering", Health.FAIL, f"MuJoCo cannot draw{setting}: {lines[-1]}", fix)


def check_clock() -> Finding:
    worst_s = 0.0
    for _ in range(20):
        due_s = time.monotonic() + 0.002
        time.sleep(0.002)
        worst_s = max(worst_s, time.monotonic() - due_s)
    found = f"Wakes at most {worst_s * 1000:.1f} ms late"
    if worst_s > LATE_WAKE_S:
        return Finding(
            "clock", Health.WARN, found, "Close other programs while the arm is controlled."
        )
    return Finding("clock", Health.OK, found)


def check_time_of_day() -> Finding:
    """Whether the date in recordings can be trusted; the control loop does not depend on it."""
    said = _said(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    if said == "yes":
        return Finding("time of day", Health.OK, "Synchronised over the network.")
    if said == "no":
        return Finding(
            "time of day",
            Health.WARN,
            "Not synchronised: the dates of recordings, and which is `last`, depend on it.",
            "Run `sudo timedatectl set-ntp true`.",
        )
    return Finding("time of day", Health.ABSENT, "Nobody here says whether it is synchronised.")


def _said(command: Sequence[str]) -> str:
    """What a command prints, "" if it cannot be run or fails."""
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def check_processor(cpus: Path = Path("/sys/devices/system/cpu")) -> Finding:
    cores = len(os.sched_getaffinity(0))
    found = f"{cores} core{'' if cores == 1 else 's'}"
    scaling = cpus / "cpu0" / "cpufreq"
    governor, driver = (
        _first_line(scaling / name) for name in ("scaling_governor", "scaling_driver")
    )
    # With these drivers the governor of that name still follows the load.
    adaptive = any(driver.startswith(name) for name in ("intel_pstate", "amd-pstate"))
    if governor == "powersave" and not adaptive:
        return Finding(
            "processor",
            Health.WARN,
            f"{found}, always at its slowest (governor powersave)",
            "Run `sudo cpupower frequency-set -g schedutil`.",
        )
    if cores < FEW_CORES:
        return Finding(
            "processor",
            Health.WARN,
            f"{found}: camera, policy and arm will get into each other's way",
            "Use a machine with two cores or more.",
        )
    return Finding("processor", Health.OK, f"{found}, governor {governor}" if governor else found)


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def check_terminal() -> Finding:
    if not console.is_interactive():
        return Finding(
            "terminal",
            Health.WARN,
            "There is none: no keys, no panels.",
            "Fine for scripts; run `ptrctl` in a terminal to drive the arm by hand.",
        )
    if not console.can_draw():
        return Finding(
            "terminal",
            Health.WARN,
            f"It draws no panels (TERM={os.environ.get('TERM', '')}).",
            "Type `export TERM=xterm-256color`, if it can draw, to drive the arm by hand.",
        )
    size = console.messages().size
    colours = (not console.messages().no_color and console.messages().color_system) or "no"
    found = f"{size.width}x{size.height}, {colours} colours"
    if size.width < SMALL_TERMINAL[0] or size.height < SMALL_TERMINAL[1]:
        return Finding("terminal", Health.WARN, found, "Enlarge the window to 80x24 or more.")
    if colours != "truecolor":
        return Finding(
            "terminal",
            Health.WARN,
            found,
            "Use a terminal with true colour and `export COLORTERM=truecolor` for good pictures.",
        )
    return Finding("terminal", Health.OK, found)
