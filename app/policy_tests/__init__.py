"""Policy tests run: requests against tables of their own that are there for the length of a transaction."""
