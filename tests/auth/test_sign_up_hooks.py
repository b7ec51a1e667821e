"""Hooks of sign-up: where they are asked, what they refuse and do, and what they may be."""
