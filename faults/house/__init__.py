"""Faults of the shop's own house, applied by the harness through the target's `house:`."""
