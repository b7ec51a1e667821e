"""Ranges: from one value to another, as Postgres writes them."""
