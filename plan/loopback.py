"""Which addresses are on this machine: nothing contacts another, sends a buyer there, or listens there unprotected."""

import ipaddress
import re

_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_LOOPBACK = re.compile(
    rf"https?://(?:127(?:\.{_BYTE}){{3}}|localhost|\[::1\])(?::[0-9]{{1,5}})?(?:[/?#][^\s\x00-\x20\ud800-\udfff]*)?",
    re.I,
)


def is_loopback(url: str) -> bool:
    """Whether the address is one that a mock may contact, or send a buyer to."""
    return _LOOPBACK.fullmatch(url) is not None


def is_loopback_host(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
