"""The routes of /auth/v1, in the GoTrue dialect."""
