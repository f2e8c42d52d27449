"""Python imports this at its start if this folder is on PYTHONPATH."""

from hardware.modules import ARM_MODULES, CAMERA_MODULES

ARM_MODULES["bench"] = "tests.ptrctl.bench.bench_arm"
ARM_MODULES["bench-one"] = "tests.ptrctl.bench.bench_one"
CAMERA_MODULES["picture"] = "tests.ptrctl.bench.bench_camera"
