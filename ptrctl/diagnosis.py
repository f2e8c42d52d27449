"""What `ptrctl doctor` looks at: each check says what was found and the exact fix."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable

from hardware.checks import Finding, Health
from ptrctl import console
from ptrctl.profile import BUILT_IN, load_profile
from ptrctl.workspace import Workspace
from recordings.errors import PtrctlError

NEEDED_MODULES = ("numpy", "h5py", "mujoco", "av", "safetensors", "scipy", "gymnasium")
GOOD_PYTHON = ((3, 10), (3, 14))
FEW_BYTES, TOO_FEW_BYTES = 5e9, 0.5e9
SMALL_TERMINAL = (80, 24)
LATE_WAKE_S = 0.02
RENDER_TIMEOUT_S = 60

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
    missing = [name for name in NEEDED_MODULES if importlib.util.find_spec(name) is None]
    if missing:
        return Finding(
            "packages", Health.FAIL, f"Missing: {', '.join(missing)}.", "Run `pip install ptrctl`."
        )
    return Finding("packages", Health.OK, "All needed packages are installed.")


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
    return Finding("torch", Health.OK, f"PyTorch {torch.__version__}")


def check_gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", Health.ABSENT, "PyTorch is missing, so none can be used.")
    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        return Finding("GPU", Health.OK, str(torch.cuda.get_device_name(0)))
    return Finding("GPU", Health.ABSENT, "None; the `cpu` preset needs none.")


def check_rendering() -> Finding:
    from hardware.sim.gl import PACKAGES

    fix = (
        f"Run `sudo apt-get install {PACKAGES}` (or `libosmesa6` and `export MUJOCO_GL=osmesa`), "
        "then `ptrctl doctor`."
    )
    try:
        run = subprocess.run(
            [sys.executable, "-c", _RENDER_TEST],
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


def check_terminal() -> Finding:
    if not console.is_interactive():
        return Finding(
            "terminal",
            Health.WARN,
            "There is none: no keys, no panels.",
            "Fine for scripts; run `ptrctl` in a terminal to drive the arm by hand.",
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


def check_disk(workspace: Workspace) -> Finding:
    from ptrctl.panels import free_bytes, gigabytes

    free = free_bytes(workspace.root.absolute())
    found = f"{gigabytes(free)} free"
    if free < TOO_FEW_BYTES:
        return Finding("disk", Health.FAIL, found, "Free some space before recording.")
    if free < FEW_BYTES:
        return Finding("disk", Health.WARN, found, "Free some space soon.")
    return Finding("disk", Health.OK, found)


def check_workspace(workspace: Workspace) -> Finding:
    root = workspace.root.absolute()
    there = root
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK):
        return Finding(
            "workspace",
            Health.FAIL,
            f"`{root}` cannot be written.",
            f"Run `sudo chown $USER {there}` (or remount its disk for writing), or name another "
            "folder with `--workspace`.",
        )
    words = f"{root}" if root.exists() else f"{root} (will be made when needed)"
    return Finding("workspace", Health.OK, words)


def check_profile(workspace: Workspace) -> Finding:
    try:
        profile = load_profile(workspace)
    except PtrctlError as problem:
        return Finding("profile", Health.FAIL, problem.found, problem.try_next)
    if profile.source("robot") == BUILT_IN and not workspace.profile_path.exists():
        return Finding(
            "profile",
            Health.ABSENT,
            f"No {workspace.profile_path.name}; the simulated arm is used.",
            "Run `ptrctl setup` to write one.",
        )
    return Finding("profile", Health.OK, f"Arm {profile.robot}, kitchen {profile.kitchen_seed}")


def check_leftovers(workspace: Workspace) -> Finding:
    from recordings.recovery import leftovers

    try:
        left = sum(len(leftovers(folder)) for folder in workspace.episode_folders())
    except OSError as problem:
        return Finding(
            "leftovers",
            Health.WARN,
            f"`{problem.filename}` cannot be opened: {problem.strerror}.",
            f"Make `{workspace.root}` writable, then run `ptrctl data recover{workspace.flag()}`.",
        )
    if left:
        return Finding(
            "leftovers",
            Health.WARN,
            f"{left} interrupted episodes wait to be recovered.",
            f"Run `ptrctl data recover{workspace.flag()}`.",
        )
    return Finding("leftovers", Health.OK, "No interrupted episode.")


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


def check_interbotix() -> Finding:
    if importlib.util.find_spec("interbotix_xs_modules") is not None:
        return Finding("Interbotix arm", Health.OK, "interbotix_xs_modules is installed.")
    return Finding(
        "Interbotix arm",
        Health.ABSENT,
        "interbotix_xs_modules is not installed; only a real WidowX needs it.",
        "It is a ROS package: install the Interbotix workspace and `source install/setup.bash`.",
    )


def check_realsense() -> Finding:
    if importlib.util.find_spec("pyrealsense2") is not None:
        return Finding("RealSense", Health.OK, "pyrealsense2 is installed.")
    return Finding(
        "RealSense",
        Health.ABSENT,
        "pyrealsense2 is not installed; only a RealSense camera needs it.",
        "Run `pip install 'ptrctl[realsense]'`.",
    )


def examine(workspace: Workspace) -> list[Finding]:
    """Run every check, in the order to show them."""
    checks: list[Callable[[], Finding]] = [
        check_python,
        check_packages,
        check_torch,
        check_gpu,
        check_rendering,
        check_clock,
        check_terminal,
        lambda: check_workspace(workspace),
        lambda: check_profile(workspace),
        lambda: check_leftovers(workspace),
        lambda: check_disk(workspace),
        check_interbotix,
        check_realsense,
    ]
    return [check() for check in checks]
