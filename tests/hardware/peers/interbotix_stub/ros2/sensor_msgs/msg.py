"""Standard messages, as far as they are used."""


class JointState:
    pass
