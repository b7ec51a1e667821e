"""The one secret of a process: whether it can be guessed, and the keys that come from it."""
