"""The udev rules that let an operator use arm, camera and SpaceMouse without being root.

Sources: Interbotix/interbotix_ros_core, 99-interbotix-udev.rules (U2D2: vendor 0403, product 6014,
latency timer 1 ms); IntelRealSense/librealsense, 99-realsense-libusb.rules (vendor 8086, products
0ad0 to 0b5c); 3Dconnexion: vendor 256f, before that Logitech's 046d with products c62x and c63x.
"""

from __future__ import annotations

from hardware.checks import UDEV_RULES_PATH

RULES = """\
# Devices that ptrctl uses: who may open them. Printed by `ptrctl doctor --print-udev-rules`.

# U2D2 on the WidowX 250s' servo bus: 1 ms instead of 16 ms for every answer, no modem manager.
SUBSYSTEM=="tty", ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6014", MODE="0660", GROUP="dialout", \
TAG+="uaccess", ENV{ID_MM_DEVICE_IGNORE}="1", ATTR{device/latency_timer}="1", SYMLINK+="ttyDXL"

# SpaceMouse: 3Dconnexion's, and those under Logitech's number.
KERNEL=="hidraw*", ATTRS{idVendor}=="256f", MODE="0660", GROUP="plugdev", TAG+="uaccess"
KERNEL=="hidraw*", ATTRS{idVendor}=="046d", ATTRS{idProduct}=="c62[0-9a-f]|c63[0-9a-f]", \
MODE="0660", GROUP="plugdev", TAG+="uaccess"

# RealSense D400 series: over libusb, as the Python package does, and over the kernel's driver.
SUBSYSTEM=="usb", ATTRS{idVendor}=="8086", ATTRS{idProduct}=="0a[c-f]?|0b??", MODE="0660", \
GROUP="plugdev", TAG+="uaccess"
SUBSYSTEM=="video4linux", ATTRS{idVendor}=="8086", MODE="0660", GROUP="video", TAG+="uaccess"
"""

GROUPS = ("dialout", "plugdev", "video")

HOW_TO = f"""\
Put the rules into {UDEV_RULES_PATH}, reload, and unplug and plug the devices once:
  ptrctl doctor --print-udev-rules | sudo tee {UDEV_RULES_PATH}
  sudo udevadm control --reload-rules && sudo udevadm trigger
Over SSH the groups count; log in again afterwards:
  sudo usermod -aG {",".join(GROUPS)} $USER"""
