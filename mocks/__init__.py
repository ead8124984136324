"""The outside world: servers that the shop believes in."""
