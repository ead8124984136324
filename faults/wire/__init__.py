"""Faults of the connection itself, one file each, found by its `FAULT`; a proxy on the hop applies them."""
