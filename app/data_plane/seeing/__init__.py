"""What a request did, or would do: the last ones, rehearsals, shadows, verdicts, timings."""
