"""reset_peer: after `timeout` ms the connection is reset (RST)."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class ResetPeer(Toxic, frozen=True):
    """After `timeout` ms the connection is reset (RST)."""

    kind: ClassVar[str] = "reset_peer"
    timeout: int = 0


TOXIC = ResetPeer
