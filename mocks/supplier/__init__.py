"""The supplier mock: goods, and the dialects in which shops buy them."""
