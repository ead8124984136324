"""Faults of signatures; their names begin with `sig.`."""
