"""The game server mock: accounts, and the dialects in which shops top them up."""
