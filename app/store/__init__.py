"""Where definitions live: the tables of schema rowgate, and what reads and writes them."""
