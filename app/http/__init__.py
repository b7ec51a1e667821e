"""Bytes in and out: bounds of the protocol, bodies, JSON, query strings, addresses, CORS."""
