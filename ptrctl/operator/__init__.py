"""The operator beside the arm: consent, keys, devices, labels, stopping."""
