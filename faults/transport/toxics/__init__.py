"""Every toxic there is, one file each, found by its `TOXIC`."""
