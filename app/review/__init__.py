"""Who may do what, and what a change does to it."""
