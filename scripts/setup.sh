#!/bin/sh
# Creates .venv and installs ptrctl into it; does nothing if that is done already.
# Usage: sh scripts/setup.sh [dev]     PYTHON=python3.12 chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."
extra=${1:-}

works() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.10; do
        if works "$candidate"; then echo "$candidate"; return; fi
    done
    echo "ptrctl needs Python 3.10 to 3.13 with venv; none was found." >&2
    echo "On Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2
    return 1
}

# Moved, made by a Python that is gone or was upgraded since, or interrupted while it was made.
stale() {
    ! .venv/bin/python -m pip --version >/dev/null 2>&1 ||
        { ls .venv/ptrctl-installed* >/dev/null 2>&1 && ! .venv/bin/ptrctl --version >/dev/null 2>&1; }
}

if stale; then
    python=$(find_python)
    echo "Creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi

stamp=".venv/ptrctl-installed${extra:+-$extra}"
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    echo "Installing ptrctl (a few minutes the first time)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
    # PyTorch first: where a CPU build is offered, the rest then keeps it.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "torch>=2.6,<2.14"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".${extra:+[$extra]}"
    touch "$stamp"
fi

# The simulator draws with OpenGL in software. As root on Debian or Ubuntu the package is added
# here; elsewhere the line to type is shown.
can_draw() { .venv/bin/python -c 'from hardware.sim import gl; gl.choose_backend()' 2>/dev/null; }
packages="libegl1 libgl1-mesa-dri"
if ! can_draw; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing $packages, with which the simulator draws"
        apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $packages >/dev/null
    fi
    if ! can_draw; then
        echo "The simulator draws with OpenGL, which this machine lacks." >&2
        echo "Type: sudo apt-get install $packages" >&2
        exit 6
    fi
fi
