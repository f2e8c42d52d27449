"""Python imports this at its start if this folder is on PYTHONPATH, see `peers.dynamixel`."""

import os

from dynamixel_sdk import port_handler

port_handler.LATENCY_TIMER = float(os.environ["PTRCTL_SDK_PATIENCE_MS"])
