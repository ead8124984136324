"""What holds for every test."""

from hypothesis import settings

# How long an example takes says nothing on a shared machine: no test is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
