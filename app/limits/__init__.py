"""Rate limits: counted in memory or in Redis, under keys, told in headers."""
