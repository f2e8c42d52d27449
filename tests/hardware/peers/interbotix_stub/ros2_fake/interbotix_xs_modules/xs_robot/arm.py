"""Stands for the vendor's interbotix_xs_modules.xs_robot.arm (ROS 2)."""

import threading

import rclpy
import xs_link
from interbotix_common_modules.common_robot.robot import (
    create_interbotix_global_node,
    interbotix_is_up,
)
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import RegisterValues, RobotInfo, TorqueEnable
from rclpy.duration import Duration
from rclpy.logging import LoggingSeverity


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
        topic_joint_states="joint_states",
        logging_level=LoggingSeverity.INFO,
        node_name="robot_manipulation",
        node=None,
        iterative_update_fk=True,
        args=None,
    ):
        assert gripper_name is None, "the vendor's gripper is not part of this fake"
        self.core = InterbotixRobotXSCore(robot_model, robot_name, node=node)
        self.arm = InterbotixArmXSInterface(self.core, group_name, moving_time, accel_time)


class InterbotixRobotXSCore:
    def __init__(self, robot_model, robot_name=None, node=None):
        self.robot_node = node or create_interbotix_global_node()
        self.js_mutex = threading.Lock()
        self._first = None
        ns = "/" + (robot_name or robot_model)
        make = self.robot_node.create_client
        self.srv_get_info = make(RobotInfo, ns + "/get_robot_info")
        self.srv_get_reg = make(RegisterValues, ns + "/get_motor_registers")
        self.srv_set_reg = make(RegisterValues, ns + "/set_motor_registers")
        self.srv_torque = make(TorqueEnable, ns + "/torque_enable")
        while not self.srv_get_info.wait_for_service(timeout_sec=5.0) and rclpy.ok():
            pass
        publisher = self.robot_node.create_publisher
        self.pub_group = publisher(JointGroupCommand, ns + "/commands/joint_group", 10)
        self.pub_single = publisher(JointSingleCommand, ns + "/commands/joint_single", 10)
        names = self.joint_states.name
        self.js_index_map = {name: index for index, name in enumerate(names)}

    @property
    def joint_states(self):
        """Frozen until the lifecycle has begun; afterwards what has just been published."""
        if self._first is None or interbotix_is_up():
            self._first = xs_link.joint_states()
        return self._first

    def get_node(self):
        return self.robot_node

    def wait_for(self, client, request):
        future = client.call_async(request)
        self.robot_node.wait_until_future_complete(future)
        return future.result()

    def robot_get_motor_registers(self, cmd_type, name, reg):
        request = RegisterValues.Request(cmd_type=cmd_type, name=name, reg=reg)
        return self.wait_for(self.srv_get_reg, request).values

    def robot_get_robot_info(self, cmd_type, name):
        return self.wait_for(self.srv_get_info, RobotInfo.Request(cmd_type=cmd_type, name=name))

    def robot_torque_enable(self, cmd_type, name, enable):
        request = TorqueEnable.Request(cmd_type=cmd_type, name=name, enable=enable)
        self.wait_for(self.srv_torque, request)

    def robot_write_commands(self, group_name, commands):
        self.pub_group.publish(JointGroupCommand(name=group_name, cmd=commands))

    def robot_write_joint_command(self, joint_name, command):
        self.pub_single.publish(JointSingleCommand(name=joint_name, cmd=command))


class InterbotixArmXSInterface:
    def __init__(self, core, group_name, moving_time=2.0, accel_time=0.3):
        self.core = core
        self.group_name = group_name
        self.group_info = core.robot_get_robot_info("group", group_name)
        # This generation only believes that the registers say so.
        self.moving_time, self.accel_time = moving_time, accel_time
        self.capture_joint_positions()

    def set_trajectory_time(self, moving_time=None, accel_time=None):
        if moving_time is not None and moving_time != self.moving_time:
            self.moving_time = moving_time
            self._write("Profile_Velocity", int(moving_time * 1000))
        if accel_time is not None and accel_time != self.accel_time:
            self.accel_time = accel_time
            self._write("Profile_Acceleration", int(accel_time * 1000))

    def _write(self, reg, value):
        request = RegisterValues.Request(
            cmd_type="group", name=self.group_name, reg=reg, value=value
        )
        self.core.wait_for(self.core.srv_set_reg, request)

    def _check_joint_limits(self, positions):
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

    def set_joint_positions(
        self, joint_positions, moving_time=None, accel_time=None, blocking=True
    ):
        if not self._check_joint_limits(joint_positions):
            return False
        self.set_trajectory_time(moving_time, accel_time)
        self.joint_commands = list(joint_positions)
        self.core.pub_group.publish(
            JointGroupCommand(name=self.group_name, cmd=self.joint_commands)
        )
        if blocking:
            clock = self.core.get_node().get_clock()
            clock.sleep_for(Duration(seconds=self.moving_time))
        return True

    def capture_joint_positions(self):
        states = self.core.joint_states
        index = self.core.js_index_map
        self.joint_commands = [states.position[index[n]] for n in self.group_info.joint_names]
