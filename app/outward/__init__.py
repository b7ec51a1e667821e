"""Calling out: secrets at rest, what may be reached, calls to other services, and those that wait for a commit."""
