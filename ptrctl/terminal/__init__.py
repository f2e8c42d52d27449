"""What is shown on the terminal and read from its keys."""
