"""What a secret is called, wherever a definition names one."""

NAMED_LIKE = r"^[A-Za-z][A-Za-z0-9_]{0,62}$"
