"""Stands for the vendor's interbotix_xs_modules.arm (ROS 1): names, arguments, return types."""

import rospy
from interbotix_xs_msgs.msg import JointGroupCommand

from interbotix_xs_modules.core import InterbotixRobotXSCore


class InterbotixManipulatorXS:
    def __init__(
        self,
        robot_model,
        group_name="arm",
        gripper_name="gripper",
        robot_name=None,
        moving_time=2.0,
        accel_time=0.3,
        gripper_pressure=0.5,
        gripper_pressure_lower_limit=150,
        gripper_pressure_upper_limit=350,
        init_node=True,
    ):
        assert gripper_name is None, "the vendor's gripper is not part of this fake"
        self.dxl = InterbotixRobotXSCore(robot_model, robot_name, init_node)
        self.arm = InterbotixArmXSInterface(
            self.dxl, robot_model, group_name, moving_time, accel_time
        )


class InterbotixArmXSInterface:
    def __init__(self, core, robot_model, group_name, moving_time=2.0, accel_time=0.3):
        self.core = core
        self.group_name = group_name
        self.group_info = core.srv_get_info("group", group_name)
        # This generation writes the registers on construction.
        self.moving_time = self.accel_time = None
        self.capture_joint_positions()
        self.set_trajectory_time(moving_time, accel_time)

    def set_trajectory_time(self, moving_time=None, accel_time=None):
        if moving_time is not None and moving_time != self.moving_time:
            self.moving_time = moving_time
            self.core.srv_set_reg(
                "group", self.group_name, "Profile_Velocity", int(moving_time * 1000)
            )
        if accel_time is not None and accel_time != self.accel_time:
            self.accel_time = accel_time
            self.core.srv_set_reg(
                "group", self.group_name, "Profile_Acceleration", int(accel_time * 1000)
            )

    def check_joint_limits(self, positions):
        info = self.group_info
        for index, position in enumerate(positions):
            goal = int(position * 1000) / 1000.0
            if not info.joint_lower_limits[index] <= goal <= info.joint_upper_limits[index]:
                return False
            # By the time that is stored, whatever the call asks for.
            speed = abs(goal - self.joint_commands[index]) / float(self.moving_time)
            if speed > info.joint_velocity_limits[index]:
                return False
        return True

    def publish_positions(self, positions, moving_time=None, accel_time=None, blocking=True):
        self.set_trajectory_time(moving_time, accel_time)
        self.joint_commands = list(positions)
        self.core.pub_group.publish(JointGroupCommand(self.group_name, self.joint_commands))
        if blocking:
            rospy.sleep(self.moving_time)

    def set_joint_positions(
        self, joint_positions, moving_time=None, accel_time=None, blocking=True
    ):
        if not self.check_joint_limits(joint_positions):
            return False
        self.publish_positions(joint_positions, moving_time, accel_time, blocking)
        return True

    def capture_joint_positions(self):
        states = self.core.joint_states
        index = self.core.js_index_map
        self.joint_commands = [states.position[index[n]] for n in self.group_info.joint_names]
