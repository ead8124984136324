"""Frames of RCON: length, id, type, body, two zero bytes; integers are 32 bits, signed, little endian.

Source: Valve's Source RCON Protocol and the Minecraft wiki's RCON page, as docs/protocols/rcon.md tells them.
"""

import asyncio
import struct

import msgspec

AUTH, COMMAND, AUTH_ANSWER, ANSWER = 3, 2, 2, 0
"""Types. A command of the client and the server's answer to its password have the same."""
BODY_MAX = 4096
"""Bytes of an answer that one frame holds; what is longer comes in several, and nothing marks the last."""

_LENGTH, _HEAD = struct.Struct("<i"), struct.Struct("<ii")
_END = b"\0\0"
_AROUND = _HEAD.size + len(_END)


class BadFrame(Exception):
    """What came is no frame: nothing that follows can be understood."""


class Frame(msgspec.Struct, frozen=True):
    """One frame. The body of what came ends at its first zero byte, as C reads it."""

    id: int
    kind: int
    body: bytes = b""

    def written(self) -> bytes:
        inner = _HEAD.pack(self.id, self.kind) + self.body + _END
        return _LENGTH.pack(len(inner)) + inner


async def read_frame(reader: asyncio.StreamReader, body_max: int) -> Frame | None:
    """The next frame; None where the peer has ended, between two frames or in the midst of one. BadFrame."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if not _AROUND <= length <= _AROUND + body_max:
            raise BadFrame(f"length {length}, legal: {_AROUND} to {_AROUND + body_max}")
        inner = await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None
    if not inner.endswith(_END):
        raise BadFrame("no zero bytes at its end")
    id, kind = _HEAD.unpack_from(inner)
    return Frame(id, kind, inner[_HEAD.size : -len(_END)].partition(b"\0")[0])


def in_frames(id: int, text: bytes) -> bytes:
    """An answer in as many frames as it needs, all under the id of its question."""
    parts = [text[at : at + BODY_MAX] for at in range(0, len(text), BODY_MAX)] or [b""]
    return b"".join(Frame(id, ANSWER, part).written() for part in parts)
