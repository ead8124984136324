"""A network namespace without a name, held by one thread of this process, and the wire between two of them.

A socket belongs for life to the namespace of the thread that made it; who reads and writes it later does not matter. So
one process with one event loop can hold both ends of the wire and the ends on loopback too, and no other process keeps
anything alive: a namespace ends with the threads in it and their sockets, however the process ends.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import psutil

NEW_USER, NEW_NET = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET of linux/sched.h."""
_SIOCETHTOOL = 0x8946
_TO_SWITCH_OFF = {"TSO": 0x1F, "GSO": 0x24, "GRO": 0x2C}
"""ETHTOOL_STSO, _SGSO and _SGRO of linux/ethtool.h: with them a packet on the wire would stand for up to 45."""
_CAP_SYS_ADMIN = 21
_TOOL_WITHIN_S = 10.0
SBIN = ("/usr/sbin", "/sbin")
"""Where Debian keeps ip, tc and nft; not on everybody's PATH."""
WIRE = "wire"
MARK = "ORDERJAM_KERNEL"
"""In the environment of every tool that is run in a namespace: pid and start of the process that owns it."""

T = TypeVar("T")


class Refused(Exception):
    """This machine does not allow what was asked; one line of what is missing."""


class ToolError(Exception):
    """A tool ended with an error: what it said."""


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def may_make_namespaces() -> bool:
    """Whether this process may make network namespaces as it is, without a user namespace of its own."""
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_SYS_ADMIN & 1)


def enter_user_namespace() -> None:
    """Makes this process root of a user namespace of its own; its files stay those of the same user.

    Only a process of one thread may. Refused where the machine forbids it.
    """
    if not sys.platform.startswith("linux"):
        raise Refused("network namespaces are Linux's")
    user, group = os.geteuid(), os.getegid()
    try:
        _unshare(NEW_USER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    except OSError as error:
        raise Refused(_no_namespaces(error)) from None


def _no_namespaces(error: OSError) -> str:
    return (
        f"no network namespace can be made here ({error.strerror}): it takes root, or user namespaces"
        " (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)"
    )


class Space:
    """One namespace. `do` runs a function in it and waits, `later` does not wait. Refused where none can be made."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="netns")
        try:
            self.thread_id = self.do(_enter)
        except OSError as error:
            self._thread.shutdown()
            raise Refused(_no_namespaces(error)) from None

    def later(self, work: Callable[[], T]) -> Future[T]:
        return self._thread.submit(work)

    def do(self, work: Callable[[], T]) -> T:
        return self.later(work).result()

    def socket(self) -> socket.socket:
        """A TCP socket of this namespace that does not block; to be called by `do` or `later`."""
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        return made

    def read(self, name: str) -> str:
        """/proc/net/NAME of this namespace; from any thread."""
        return Path(f"/proc/self/task/{self.thread_id}/net/{name}").read_text()

    def packets_received(self) -> int:
        """Packets that have come over the wire into this namespace, before any of them was dropped here."""
        line = next(line for line in self.read("dev").splitlines() if line.lstrip().startswith(f"{WIRE}:"))
        return int(line.split(":")[1].split()[1])

    def close(self) -> None:
        """Lets go of the namespace; it ends once its sockets are closed too."""
        self._thread.shutdown()


def _enter() -> int:
    _unshare(NEW_NET)
    return threading.get_native_id()


def tool(*command: str, given: str = "") -> str:
    """What a tool says, run in the namespace of the calling thread. Refused if it is not installed; ToolError."""
    name = command[0]
    path = os.pathsep.join((os.environ.get("PATH", ""), *SBIN)) if os.environ.get("PATH") else ""
    own = psutil.Process()
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            timeout=_TOOL_WITHIN_S,
            env={"PATH": path, "LC_ALL": "C", MARK: f"{own.pid}:{own.create_time()}"},
        )
    except FileNotFoundError:
        package = "nftables" if name == "nft" else "iproute2"
        raise Refused(f"`{name}` is not installed (Debian's package {package})") from None
    except subprocess.TimeoutExpired:
        raise ToolError(f"{name}: no answer within {_TOOL_WITHIN_S:g} s") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ToolError(f"{name}: {said[0]}")
    return done.stdout


def sweep() -> list[int]:
    """Ends tools of ours whose owner was killed while they ran; the pids of those ended. Touches nothing unmarked."""
    ended = []
    for process in psutil.process_iter():
        try:
            owner = process.environ().get(MARK, "")
            if owner and not _lives(owner):
                process.kill()
                ended.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue  # it ended meanwhile, or is somebody else's and so not ours
    return ended


def _lives(owner: str) -> bool:
    pid, _, began = owner.partition(":")
    try:
        return str(psutil.Process(int(pid)).create_time()) == began
    except (ValueError, psutil.NoSuchProcess):
        return False


ADDRESSES = ("198.18.0.1", "198.18.0.2")
"""Of the two ends. Meant for benchmarks (RFC 2544); nobody outside the two namespaces ever sees them."""


def join(near: Space, far: Space) -> None:
    """Lays a wire between two namespaces, MTU 1500, whose packets are those that TCP sends. Refused, ToolError."""
    peer = ("peer", "name", WIRE, "mtu", "1500", "netns", str(far.thread_id))
    near.do(lambda: tool("ip", "link", "add", WIRE, "mtu", "1500", "type", "veth", *peer))
    for space, address in zip((near, far), ADDRESSES, strict=True):
        space.do(lambda address=address: tool("ip", "addr", "add", f"{address}/24", "dev", WIRE))  # type: ignore[misc]
        space.do(_switch_off_offloads)
        space.do(lambda: tool("ip", "link", "set", WIRE, "up"))


def _switch_off_offloads() -> None:
    """As `ethtool -K wire tso off gso off gro off`, which many machines lack."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for number in _TO_SWITCH_OFF.values():
            value = ctypes.create_string_buffer(struct.pack("II", number, 0))
            fcntl.ioctl(any_socket, _SIOCETHTOOL, struct.pack("16sP16x", WIRE.encode(), ctypes.addressof(value)))
