"""Faults of what an upstream sells: sold out, empty, failed after it was accepted."""
