"""MJCF of the WidowX 250s: published kinematics, masses, limits and motor torques; plain shapes.

Link masses, centres of mass and principal inertias are those listed in MuJoCo Menagerie's model,
less its dummy inertias at the gripper. Gains are ours: stiff enough to follow a 5 Hz stream, soft
enough to droop by some millimetres when stretched out, as the real arm does.
"""

from __future__ import annotations

from hardware import wx250s

JOINT_STIFFNESS_NM_RAD = (120.0, 160.0, 140.0, 60.0, 60.0, 30.0)
JOINT_DAMPING_NM_S_RAD = (8.0, 10.0, 9.0, 4.0, 4.0, 2.0)
FINGER_STIFFNESS_N_M = 600.0
FINGER_FORCE_N = 12.0
"""Grip force limit; the servo could do several times that, Bridge limits its PWM as well."""

DEFAULTS = """
<default>
  <default class="arm">
    <joint armature="0.1" frictionloss="0.1" damping="0.1"/>
    <geom contype="0" conaffinity="0" group="2" material="arm_black" mass="0"/>
    <default class="arm_contact">
      <!-- Collision bits: 1 arm, 2 fixed scene, 4 loose objects. The arm ignores itself. -->
      <geom contype="1" conaffinity="6" friction="0.6 0.005 0.0001" solref="0.01 1"/>
    </default>
    <default class="finger">
      <joint type="slide" armature="0.05" damping="8" frictionloss="0.2"/>
    </default>
    <default class="pad">
      <geom type="box" contype="1" conaffinity="6" condim="4" friction="1.8 0.02 0.0001"
        solref="0.008 1" solimp="0.95 0.99 0.001" material="arm_pad"/>
    </default>
  </default>
</default>
"""

ASSETS = """
<material name="arm_black" rgba="0.10 0.10 0.11 1" specular="0.3" shininess="0.4"/>
<material name="arm_grey" rgba="0.42 0.43 0.45 1" specular="0.4" shininess="0.5"/>
<material name="arm_pad" rgba="0.16 0.17 0.18 1"/>
"""


def _joint(index: int, axis: str) -> str:
    return (
        f'<joint name="{wx250s.JOINT_NAMES[index]}" axis="{axis}" limited="true" '
        f'range="{wx250s.JOINT_LOW_RAD[index]} {wx250s.JOINT_HIGH_RAD[index]}"/>'
    )


def _inertial(mass: float, pos: str, diagonal: str) -> str:
    return f'<inertial mass="{mass}" pos="{pos}" diaginertia="{diagonal}"/>'


def _finger(side: str, sign: int) -> str:
    return f"""
<body name="{side}_finger" pos="0.066 0 0">
  <joint name="{side}_finger" class="finger" axis="0 {sign} 0" range="0.008 0.037"
    limited="true"/>
  {_inertial(0.016246, "0.013 0 0", "4.8e-6 3.7e-6 1.5e-6")}
  <geom name="{side}_pad" class="pad" pos="0.012 {-sign * 0.0065:.4f} 0" size="0.026 0.0035 0.009"/>
  <geom type="box" pos="-0.006 {sign * 0.002:.4f} 0" size="0.014 0.005 0.010" material="arm_grey"/>
</body>"""


def body_xml() -> str:
    """The arm as a tree of bodies, base frame at the origin of its parent."""
    return f"""
<body name="base_link" childclass="arm">
  {_inertial(0.538736, "-0.038 0.0006 0.0193", "2.525e-3 2.115e-3 6.91e-4")}
  <geom type="box" pos="-0.03 0 0.02" size="0.09 0.06 0.02"/>
  <geom type="cylinder" pos="0 0 0.05" size="0.045 0.022" material="arm_grey"/>
  <body name="shoulder_link" pos="0 0 0.072">
    {_joint(0, "0 0 1")}
    {_inertial(0.480879, "0 0 0.0066", "5.89e-4 5.56e-4 3.79e-4")}
    <geom type="box" pos="0 0 0.025" size="0.028 0.05 0.028"/>
    <body name="upper_arm_link" pos="0 0 0.03865">
      {_joint(1, "0 1 0")}
      {_inertial(0.430811, "0.0172 0 0.1913", "3.644e-3 3.463e-3 3.99e-4")}
      <geom type="box" pos="0 0 0.12" size="0.018 0.032 0.12"/>
      <geom type="box" pos="0.025 0 0.25" size="0.04 0.034 0.018" material="arm_grey"/>
      <body name="upper_forearm_link" pos="0.04975 0 0.25">
        {_joint(2, "0 1 0")}
        {_inertial(0.234589, "0.108 0.0001 0", "8.88e-4 8.88e-4 3.97e-5")}
        <geom type="box" pos="0.085 0 0" size="0.085 0.026 0.016"/>
        <body name="lower_forearm_link" pos="0.175 0 0">
          {_joint(3, "1 0 0")}
          {_inertial(0.220991, "0.0374 0.0052 0", "1.834e-4 1.725e-4 5.89e-5")}
          <geom type="box" pos="0.035 0 0" size="0.035 0.024 0.018" material="arm_grey"/>
          <body name="wrist_link" pos="0.075 0 0">
            {_joint(4, "0 1 0")}
            {_inertial(0.084957, "0.0424 0 0.0106", "3.29e-5 3.08e-5 2.68e-5")}
            <geom type="box" pos="0.03 0 0" size="0.034 0.022 0.018" class="arm_contact"/>
            <body name="gripper_link" pos="0.065 0 0">
              {_joint(5, "1 0 0")}
              {_inertial(0.110084, "0.0325 0 0.0091", "8.0e-5 7.0e-5 3.0e-5")}
              <geom type="box" pos="0.022 0 0" size="0.022 0.024 0.020" class="arm_contact"/>
              <geom type="box" pos="0.050 0 0" size="0.007 0.044 0.012" class="arm_contact"
                material="arm_grey"/>
              <site name="gripper" pos="0.093575 0 0" size="0.004" rgba="0 0 0 0"/>
              {_finger("left", 1)}
              {_finger("right", -1)}
            </body>
          </body>
        </body>
      </body>
    </body>
  </body>
</body>"""


def actuator_xml() -> str:
    """One position servo a joint, torque-limited; one for the pair of fingers."""
    servos = "".join(
        f'<position name="{name}" joint="{name}" kp="{kp}" kv="{kv}" '
        f'forcerange="{-torque} {torque}" ctrlrange="{low} {high}"/>'
        for name, kp, kv, torque, low, high in zip(
            wx250s.JOINT_NAMES,
            JOINT_STIFFNESS_NM_RAD,
            JOINT_DAMPING_NM_S_RAD,
            wx250s.JOINT_TORQUE_NM,
            wx250s.JOINT_LOW_RAD,
            wx250s.JOINT_HIGH_RAD,
            strict=True,
        )
    )
    fingers = "".join(
        f'<position name="{side}_finger" joint="{side}_finger" kp="{FINGER_STIFFNESS_N_M}" '
        f'forcerange="{-FINGER_FORCE_N} {FINGER_FORCE_N}" ctrlrange="0.008 0.037"/>'
        for side in ("left", "right")
    )
    return f"<actuator>{servos}{fingers}</actuator>"


def arm_only_xml() -> str:
    """The arm alone, for kinematics."""
    return (
        f'<mujoco model="wx250s"><compiler angle="radian" autolimits="true"/>{DEFAULTS}'
        f"<asset>{ASSETS}</asset><worldbody>{body_xml()}</worldbody>{actuator_xml()}</mujoco>"
    )
