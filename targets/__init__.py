"""What we test: shops, ours and others'."""
