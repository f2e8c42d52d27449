"""The questions and checks of `ptrctl setup`."""
