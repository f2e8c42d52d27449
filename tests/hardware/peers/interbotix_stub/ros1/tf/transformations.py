"""Imported by the vendor's angle_manipulation; nothing that is driven here calls it."""


def _unused(*_):
    raise RuntimeError("not part of this stub")


euler_matrix = euler_from_matrix = quaternion_from_euler = _unused
