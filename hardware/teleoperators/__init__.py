"""Devices with which a person drives the arm, one module a kind."""
