"""Faults of the notices (callbacks) an upstream sends to the shop."""
