"""Stands for the vendor's interbotix_xs_modules.core (ROS 1): names, arguments, return types."""

import threading

import rospy
import xs_link
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import RegisterValues, RobotInfo, TorqueEnable


class InterbotixRobotXSCore:
    def __init__(self, robot_model, robot_name=None, init_node=True):
        self.robot_name = robot_name or robot_model
        if init_node:
            rospy.init_node(self.robot_name + "_robot_manipulation")
        try:
            rospy.wait_for_service(f"/{self.robot_name}/set_operating_modes", timeout=5.0)
        except rospy.ROSException:
            raise SystemExit(1) from None
        self.js_mutex = threading.Lock()
        prefix = "/" + self.robot_name
        self.srv_get_info = rospy.ServiceProxy(prefix + "/get_robot_info", RobotInfo)
        self.srv_get_reg = rospy.ServiceProxy(prefix + "/get_motor_registers", RegisterValues)
        self.srv_set_reg = rospy.ServiceProxy(prefix + "/set_motor_registers", RegisterValues)
        self.srv_torque = rospy.ServiceProxy(prefix + "/torque_enable", TorqueEnable)
        self.pub_group = rospy.Publisher(prefix + "/commands/joint_group", JointGroupCommand)
        self.pub_single = rospy.Publisher(prefix + "/commands/joint_single", JointSingleCommand)
        names = self.joint_states.name
        self.js_index_map = {name: index for index, name in enumerate(names)}

    @property
    def joint_states(self):
        """The vendor keeps what its subscriber last heard; asking now is the same, sooner."""
        return xs_link.joint_states()

    def robot_get_motor_registers(self, cmd_type, name, reg):
        return self.srv_get_reg(cmd_type=cmd_type, name=name, reg=reg)

    def robot_set_motor_registers(self, cmd_type, name, reg, value):
        self.srv_set_reg(cmd_type, name, reg, value)

    def robot_get_robot_info(self, cmd_type, name):
        return self.srv_get_info(cmd_type, name)

    def robot_torque_enable(self, cmd_type, name, enable):
        self.srv_torque(cmd_type, name, enable)

    def robot_write_commands(self, group_name, commands):
        self.pub_group.publish(JointGroupCommand(group_name, commands))

    def robot_write_joint_command(self, joint_name, command):
        self.pub_single.publish(JointSingleCommand(joint_name, command))
