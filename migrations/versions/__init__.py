"""One file a step of the system tables."""
