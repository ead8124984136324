"""One hop whose packets truly cross a wire: loopback, namespace, wire, namespace, loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from itertools import cycle

from faults.kernel.breaker import Netem, Nftables
from faults.kernel.keeper import LaidWire
from faults.kernel.loss import TrueLoss
from faults.kernel.machine import ROOT, USER, Machine, look, none
from faults.kernel.relay import Relay, most_connections
from faults.kernel.space import (
    ADDRESSES,
    Refused,
    Space,
    ToolError,
    enter_user_namespace,
    join,
    may_make_namespaces,
)

_FAR_PORTS = 8
"""Listening at the far end: the near one has 28,000 ports for each of them, and a port rests 60 s after use."""
_BACKLOG = 4096


class Hop:
    """What listens, and the wire that is between."""

    def __init__(self, port: int, wire: LaidWire, by: str) -> None:
        self.port, self.wire, self.by = port, wire, by


def lay(stack: ExitStack) -> tuple[Machine, tuple[Space, Space]]:
    """A wire, and what can be done to it; gone when the stack is closed. Refused where none can be laid.

    Where this process may make no namespaces it becomes root of a user namespace of its own first.
    """
    kind = ROOT
    if not may_make_namespaces():
        enter_user_namespace()
        kind = USER
    try:
        near, far = Space(), Space()
        stack.callback(near.close)
        stack.callback(far.close)
        join(near, far)
        return look(kind, near), (near, far)
    except ToolError as error:
        raise Refused(f"no wire can be laid: {error}") from None


def break_by(machine: Machine, asked: TrueLoss, spaces: tuple[Space, Space]) -> LaidWire:
    """The wire with somebody at each end who drops what arrives there, or what leaves. Refused if nobody can."""
    if refusal := machine.refusal(asked):
        raise Refused(refusal)
    near, far = spaces
    if machine.by == Netem.by:
        return LaidWire(spaces, (Netem(asked), Netem(asked)))
    return LaidWire(spaces, (near.do(Nftables), far.do(Nftables)))


@asynccontextmanager
async def hop(asked: TrueLoss, listen: tuple[str, int], upstream: tuple[str, int]) -> AsyncIterator[Hop]:
    """Connections to `listen` reach `upstream` over a wire; both are addresses of this machine. Nothing is lost yet.

    Refused where the machine does not allow it; OSError where nobody may listen there.
    """
    with ExitStack() as stack:
        outer = stack.enter_context(_listening(listen))
        try:
            machine, (near, far) = lay(stack)
        except Refused as error:
            raise Refused(none(str(error)).refusal(asked)) from None
        wire = break_by(machine, asked, (near, far))
        inner = [stack.enter_context(far.do(lambda: _listening((ADDRESSES[1], 0)))) for _ in range(_FAR_PORTS)]
        turns = cycle([listener.getsockname() for listener in inner])

        async def over_the_wire() -> socket.socket:
            return await _connect(await asyncio.wrap_future(near.later(near.socket)), next(turns))

        async def to_upstream() -> socket.socket:
            family = socket.AF_INET6 if ":" in upstream[0] else socket.AF_INET
            made = socket.socket(family, socket.SOCK_STREAM)
            made.setblocking(False)
            return await _connect(made, upstream)

        most = most_connections()
        halves = [(Relay(over_the_wire, most), [outer]), (Relay(to_upstream, most), inner)]
        async with asyncio.TaskGroup() as tasks:
            serving = [tasks.create_task(relay.serve(one), name="relay") for relay, each in halves for one in each]
            yield Hop(outer.getsockname()[1], wire, machine.by)
            for task in serving:
                task.cancel()


def _listening(address: tuple[str, int]) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


async def _connect(made: socket.socket, address: Sequence[object]) -> socket.socket:
    try:
        await asyncio.get_running_loop().sock_connect(made, tuple(address))
    except BaseException:
        made.close()
        raise
    return made
