"""Whether the simulated ROS master answers."""

import xs_link


def is_master_online():
    return xs_link.alive()
