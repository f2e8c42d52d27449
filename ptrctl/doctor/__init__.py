"""What `ptrctl doctor` looks at."""
