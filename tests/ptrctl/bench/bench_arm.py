from tests.ptrctl.bench import ARM as KIND

__all__ = ["KIND"]
