"""The facts: what happened in a run. Imports nothing of ours."""
