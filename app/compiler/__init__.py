"""A project compiled: every finding of a check, or the immutable runtime that serves it."""
