"""What tables and views mean in SQL."""
