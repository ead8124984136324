"""Faults on the wire: toxics, an embedded Toxiproxy-compatible server, one client for it and the real one."""
