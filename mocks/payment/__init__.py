"""Payment channels: the money truly taken, the notices about it, and one dialect a file."""
