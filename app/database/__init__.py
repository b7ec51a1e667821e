"""Postgres as a process speaks to it: connections, the embedded server, one request's session, faults."""
