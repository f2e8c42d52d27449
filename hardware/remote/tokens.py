"""The secret that both machines know: where it is looked for and how it is made.

Runs on Python 3.8: it is part of `hardware.remote.serve`.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import tempfile
from pathlib import Path

from recordings.errors import UsageError

VARIABLE = "PTRCTL_TOKEN"
FILE_NAME = "ptrctl-token"
SHORTEST = 16


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_token(token: str = "", token_file: str | Path = "") -> str:
    """The token from a setting, from a file, or from PTRCTL_TOKEN, in this order.

    Raises:
        UsageError: There is none, the file cannot be read, or it is too short to be a secret.
    """
    if not token and str(token_file):
        path = Path(token_file)
        try:
            # RuntimeError: it begins with `~`, and nobody knows where that is.
            path = path.expanduser()
            token = path.read_text(encoding="utf-8").strip()
        except (OSError, RuntimeError, UnicodeDecodeError) as problem:
            raise UsageError(
                f"The token cannot be read from {path}: {problem}.",
                "The file holds the one line that the server's token file holds.",
                "Copy the file from the machine of the arm, readable for you alone.",
            ) from problem
    token = token or os.environ.get(VARIABLE, "").strip()
    if not token:
        raise UsageError(
            "There is no token for the remote arm.",
            f"It is in the file {FILE_NAME} beside the server, which prints where.",
            f"Copy that file here and set `token_file` in the profile's [robot.options], "
            f"or put the token into {VARIABLE}.",
        )
    if len(token) < SHORTEST or not token.isprintable():
        raise UsageError(
            f"The token has {len(token)} characters.",
            f"It has at least {SHORTEST}, on one line.",
            f"Remove it: the server then makes a new one into the file {FILE_NAME}.",
        )
    return token


def server_token(host: str, token_file: str | Path, default_file: Path) -> tuple[str, Path | None]:
    """The token to serve with, and the file that holds it (None: it came from PTRCTL_TOKEN).

    On loopback a missing one is made and kept in `default_file`, readable for the owner alone. An
    empty file holds none.

    Raises:
        UsageError: None was given for an address that other machines reach, or it is unfit.
    """
    if str(token_file):
        return find_token(token_file=token_file), Path(token_file)
    if os.environ.get(VARIABLE, "").strip():
        return find_token(), None
    if not is_loopback(host):
        raise UsageError(
            f"Other machines can reach {host}, and no token was chosen.",
            "Whoever knows the token can move the arm.",
            f"Add `--token-file FILE`, or serve on 127.0.0.1 and come through an SSH tunnel. "
            f'Make the file with: python3 -c "import secrets; print(secrets.token_urlsafe(32))" '
            f"> {FILE_NAME}; chmod 600 {FILE_NAME}",
        )
    if not default_file.exists() or default_file.stat().st_size == 0:
        _make_token(default_file)
    return find_token(token_file=default_file), default_file


def _make_token(path: Path) -> None:
    """Write a new token, readable for the owner alone; a kill leaves a whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=str(path.parent))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
