"""Standard messages, as far as they are imported."""


class Quaternion:
    pass


class QuaternionStamped:
    pass
