"""Faults of the buyer and his own link, applied by the driver. A kind of buyer in a mix is one of these."""
