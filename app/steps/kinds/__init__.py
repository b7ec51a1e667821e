"""One file a kind of step, with all that is to be known of it."""
