from rclpy.node import Future

__all__ = ["Future"]
