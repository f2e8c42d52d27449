"""What `ptrctl doctor` looks at in the workspace: disk, profile, leftovers."""

from __future__ import annotations

from hardware.checks import Finding, Health
from ptrctl.profile import BUILT_IN, load_profile
from ptrctl.setup.writable import require_writable
from ptrctl.workspace import Workspace
from recordings.errors import PtrctlError, SystemSetupError, UsageError

FEW_BYTES, TOO_FEW_BYTES = 5e9, 0.5e9


def check_workspace(workspace: Workspace) -> Finding:
    root = workspace.root.absolute()
    try:
        require_writable(root)
    except SystemSetupError as problem:
        return Finding("workspace", Health.FAIL, problem.found, problem.try_next)
    words = f"{root}" if root.exists() else f"{root} (will be made when needed)"
    return Finding("workspace", Health.OK, words)


def check_disk(workspace: Workspace) -> Finding:
    from ptrctl.terminal.panels import free_bytes, gigabytes

    free = free_bytes(workspace.root.absolute())
    found = f"{gigabytes(free)} free"
    if free < TOO_FEW_BYTES:
        return Finding("disk", Health.FAIL, found, "Free some space before recording.")
    if free < FEW_BYTES:
        return Finding("disk", Health.WARN, found, "Free some space soon.")
    return Finding("disk", Health.OK, found)


def check_profile(workspace: Workspace) -> Finding:
    """Whether the commands would take it; the cell is made for that, which connects no motor."""
    from ptrctl.cells import make_cell

    try:
        profile = load_profile(workspace)
    except PtrctlError as problem:
        return Finding("profile", Health.FAIL, problem.found, problem.try_next)
    if profile.source("robot") == BUILT_IN and not workspace.profile_path.exists():
        return Finding(
            "profile",
            Health.ABSENT,
            f"No {workspace.profile_path.name}; the simulated arm is used.",
            f"Run `ptrctl setup{workspace.flag()}` to write one.",
        )
    if profile.cameras and profile.camera not in profile.cameras:
        words = f"Policies look through `{profile.camera}`, which is none of its cameras: "
        fix = (
            f"Run `ptrctl setup --camera {next(iter(profile.cameras))}`, or correct `camera.name`."
        )
        return Finding("profile", Health.FAIL, f"{words}{', '.join(profile.cameras)}.", fix)
    try:
        make_cell(profile, task=profile.some_task, realtime=False)
    except UsageError as problem:
        words = f"{problem.found} {problem.expected}".strip()
        return Finding("profile", Health.FAIL, words, problem.try_next)
    except (PtrctlError, ImportError, AttributeError, OSError):
        pass  # A package, OpenGL or a server that is missing has a finding of its own.
    task = profile.task or "no default task"
    return Finding("profile", Health.OK, f"Arm {profile.robot}, camera {profile.camera}, {task}")


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
    except SystemSetupError as problem:
        return Finding("leftovers", Health.WARN, problem.found, problem.try_next)
    if left:
        return Finding(
            "leftovers",
            Health.WARN,
            f"{left} interrupted episodes wait to be recovered.",
            f"Run `ptrctl data recover{workspace.flag()}`.",
        )
    return Finding("leftovers", Health.OK, "No interrupted episode.")
