"""Addresses as Go reads them (net.SplitHostPort, net.Listen; Go 1.26), and which of them a proxy may use."""

import ipaddress
import re
import socket
from collections.abc import Collection

import msgspec

from plan.loopback import is_loopback_host

EVERYWHERE = "*"
"""Among the hosts allowed: all of them."""
BACKLOG = 4096
_EVERY_ADDRESS = ("0.0.0.0", "::")
_NUMBER = re.compile(r"[+-]?[0-9]+")


class AddressError(ValueError):
    """What is no address, in Go's words."""


class UpstreamError(AddressError):
    """What is no address to dial, in Go's words."""


class NotAllowedError(ValueError):
    """An address that can be reached from, or lies, outside this machine, and was not allowed."""


class Address(msgspec.Struct, frozen=True):
    """A host, as a bare IP address or a name, and a port; its text as Go writes it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listening(text: str, allowed: Collection[str] = ()) -> Address:
    """Where a proxy is to listen. No host, as in ":0", is every address where that is allowed, else 127.0.0.1.

    AddressError, and NotAllowedError."""
    return _checked("listen", text, allowed)


def dialled(text: str, allowed: Collection[str] = ()) -> Address:
    """Which upstream a proxy is to dial; no host is this machine. UpstreamError, and NotAllowedError."""
    try:
        return _checked("upstream", text, allowed)
    except AddressError as error:
        raise UpstreamError(str(error)) from None


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there, port 0 at a free one; OSError where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        made.bind((host, port))
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _checked(what: str, text: str, allowed: Collection[str]) -> Address:
    if not text:
        text = ":0"
    host, port = _split(text)
    may_everywhere = EVERYWHERE in allowed
    if not host:
        is_wide = what == "listen" and (may_everywhere or any(every in allowed for every in _EVERY_ADDRESS))
        return Address("::" if is_wide else "127.0.0.1", _port(port))
    bare = _bare(host)
    if not (is_loopback_host(bare.partition("%")[0]) or may_everywhere or host in allowed or bare in allowed):
        raise NotAllowedError(
            f"{what} {text}: only addresses of this machine are allowed (127.0.0.1, ::1, localhost); "
            "--allow HOST allows another"
        )
    if bare == "0.0.0.0" and what == "listen":
        bare = "::"  # as Go: both families
    return Address("127.0.0.1" if bare == "localhost" else bare, _port(port))


def _bare(host: str) -> str:
    """An IP address in its shortest form, a name in lower case."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host.lower()
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


def _split(text: str) -> tuple[str, str]:
    """The host, without its brackets, and the port's text."""
    at = text.rfind(":")
    if at < 0:
        raise AddressError(f"address {text}: missing port in address")
    if text.startswith("["):
        end = text.find("]")
        if end < 0:
            raise AddressError(f"address {text}: missing ']' in address")
        if end + 1 != at:
            words = "too many colons" if text[end + 1 : end + 2] == ":" else "missing port"
            raise AddressError(f"address {text}: {words} in address")
        host, opens, closes = text[1:end], text[1:], text[end + 1 :]
    else:
        host, opens, closes = text[:at], text, text
        if ":" in host:
            raise AddressError(f"address {text}: too many colons in address")
    for bracket, within in (("[", opens), ("]", closes)):
        if bracket in within:
            raise AddressError(f"address {text}: unexpected '{bracket}' in address")
    return host, text[at + 1 :]


def _port(text: str) -> int:
    if not text:
        return 0
    if _NUMBER.fullmatch(text):
        port = int(text) if len(text) < 12 else -1
        if not 0 <= port <= 65535:
            raise AddressError(f"address {text}: invalid port")
        return port
    try:
        return socket.getservbyname(text.lower(), "tcp")
    except (OSError, ValueError):
        raise AddressError(f"lookup tcp/{text}: unknown port") from None
