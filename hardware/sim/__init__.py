"""The simulated WidowX 250s."""
