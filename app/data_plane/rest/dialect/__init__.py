"""The PostgREST dialect: a query string → a Query; pure."""
