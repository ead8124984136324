"""Faults of a request to an upstream and its answer."""
