from tests.ptrctl.bench import CAMERA as KIND

__all__ = ["KIND"]
