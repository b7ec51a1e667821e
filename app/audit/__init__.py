"""What was done, chained row by row, and whether it is still what was written."""
