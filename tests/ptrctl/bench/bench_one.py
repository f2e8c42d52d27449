from tests.ptrctl.bench import ONE_ARM as KIND

__all__ = ["KIND"]
