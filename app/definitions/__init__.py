"""What admins say: frozen models of a backend, without HTTP, SQL or a database."""
