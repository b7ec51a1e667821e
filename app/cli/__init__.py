"""What is typed: one file a command or a group of them."""
