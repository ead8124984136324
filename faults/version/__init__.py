"""Faults of interface versions and schemas; their names begin with `ver.`."""
