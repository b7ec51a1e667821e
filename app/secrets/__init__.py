"""Sealed texts, their uses, and a new key for them."""
