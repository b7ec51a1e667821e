"""The PostgREST dialect: a text becomes a read or a write of a view."""
