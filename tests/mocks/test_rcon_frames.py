import asyncio

import pytest

from mocks.game.rcon_frames import ANSWER, AUTH, COMMAND, BadFrame, Frame, in_frames, read_frame

PASSWORD = bytes.fromhex("11000000 00000000 03000000 70617373777264 0000")
"""A password of the Source RCON documentation's example (passwrd), as Valve's page prints it."""
BODY_MAX = 1446


def reading(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


async def read(data: bytes) -> Frame | None:
    return await read_frame(reading(data), BODY_MAX)


async def test_a_published_frame_is_read_and_written() -> None:
    assert await read(PASSWORD) == Frame(0, AUTH, b"passwrd")
    assert Frame(0, AUTH, b"passwrd").written() == PASSWORD


@pytest.mark.parametrize(
    "frame",
    [Frame(1, COMMAND, b""), Frame(-1, COMMAND), Frame(2**31 - 1, 99, "会员".encode()), Frame(5, 0, b"x" * BODY_MAX)],
)
async def test_what_is_written_is_read(frame: Frame) -> None:
    assert await read(frame.written()) == frame


async def test_frames_that_came_together_are_read_one_by_one() -> None:
    reader = reading(Frame(1, COMMAND, b"list").written() + Frame(2, ANSWER).written())
    assert [await read_frame(reader, BODY_MAX) for _ in range(3)] == [
        Frame(1, COMMAND, b"list"),
        Frame(2, ANSWER),
        None,
    ]


async def test_a_body_ends_where_c_would_end_it() -> None:
    assert await read(Frame(1, COMMAND, b"list\0give me").written()) == Frame(1, COMMAND, b"list")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x09\x00\x00\x00" + bytes(9),
        b"\xff\xff\xff\x7f",
        Frame(1, COMMAND, b"x" * (BODY_MAX + 1)).written(),
        b"GET / HTTP/1.1\r\n\r\n",
        Frame(1, COMMAND, b"list").written()[:-2] + b"xx",
    ],
    ids=["negative", "nothing", "too short", "2 GB", "one byte too long", "HTTP", "no end"],
)
async def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        await read(data)


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 11, 16])
async def test_a_peer_that_ends_in_the_midst_of_a_frame_has_said_nothing(cut: int) -> None:
    assert await read(PASSWORD[:cut]) is None


@pytest.mark.parametrize(("length", "frames"), [(0, [0]), (4096, [4096]), (4097, [4096, 1]), (9000, [4096, 4096, 808])])
async def test_an_answer_takes_as_many_frames_as_it_needs(length: int, frames: list[int]) -> None:
    reader = reading(in_frames(7, b"x" * length))
    found = [await read_frame(reader, 4096) for _ in frames]
    assert [(f.id, f.kind, len(f.body)) for f in found if f is not None] == [(7, ANSWER, n) for n in frames]
    assert await read_frame(reader, 4096) is None
