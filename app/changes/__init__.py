"""The one write path of definitions: what differs, its DDL, and one transaction for all of it."""
