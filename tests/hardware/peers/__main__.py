"""Runs a peer by hand, to try ptrctl on an arm that is not there.

Usage: python -m tests.hardware.peers NAME FOLDER

Writes FOLDER/ptrctl.toml, says what to type in another terminal, then puts in the faults whose
names are typed here, until the end of the input.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from ptrctl.profile import Profile, save_profile
from ptrctl.workspace import Workspace
from tests.hardware.peers import PEERS, open_peer


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in PEERS:
        sys.exit(f"{__doc__}\nNAME is one of: {', '.join(PEERS)}.")
    name, folder = sys.argv[1], Path(sys.argv[2])
    with open_peer(name, realtime=True) as peer:
        profile = Profile(robot=peer.robot, robot_options=peer.options, cameras=peer.cameras)
        save_profile(Workspace(folder), profile)
        variables = " ".join(f"{key}={shlex.quote(value)}" for key, value in peer.env.items())
        say = f"cd {shlex.quote(str(folder))}" + (f" && export {variables}" if variables else "")
        faults = ", ".join(peer.faults)
        print(f"In another terminal: {say}\nFaults to type here: {faults}", flush=True)
        for line in sys.stdin:
            fault = line.strip()
            if fault in peer.faults:
                peer.faults[fault]()
                print(f"Put in: {fault}.", flush=True)
            else:
                print(f"Still: {peer.is_still()}. Faults: {faults}.", flush=True)


if __name__ == "__main__":
    main()
