"""What /metrics tells, in Prometheus' text format 0.0.4, with the names and labels of Toxiproxy 2.12.0 (METRICS.md)."""

import platform
import resource
from collections.abc import Iterable

import msgspec
import psutil

from faults.transport.toxic import Stream

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Link(msgspec.Struct, frozen=True):
    """One direction of a proxy, at the addresses it had, and the bytes it took in and gave out there."""

    direction: Stream
    proxy: str
    listener: str
    upstream: str
    received: int
    sent: int


def of_proxies(links: Iterable[Link]) -> str:
    """Bytes by link, sorted by label as Prometheus' client does."""
    lines: list[str] = []
    ordered = sorted(links, key=lambda link: (link.direction, link.listener, link.proxy, link.upstream))
    for what in ("received", "sent"):
        if not ordered:
            break
        name = f"toxiproxy_proxy_{what}_bytes_total"
        lines += [f"# HELP {name} ", f"# TYPE {name} counter"]
        for link in ordered:
            labels = {"direction": link.direction.value, "listener": link.listener}
            labels |= {"proxy": link.proxy, "upstream": link.upstream}
            text = ",".join(f'{label}="{value.translate(_ESCAPED)}"' for label, value in labels.items())
            lines.append(f"{name}{{{text}}} {link.received if what == 'received' else link.sent}")
    return "".join(f"{line}\n" for line in lines)


def of_process() -> str:
    """What Prometheus' process collector tells of the server; of Go there is nothing to tell, of Python its version."""
    me = psutil.Process()
    with me.oneshot():
        memory, cpu, fds_max = me.memory_info(), me.cpu_times(), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        told: list[tuple[str, str, str, float]] = [
            ("process_cpu_seconds_total", "counter", "User and system CPU time, in seconds.", cpu.user + cpu.system),
            ("process_max_fds", "gauge", "File descriptors that may be open.", fds_max),
            ("process_open_fds", "gauge", "File descriptors that are open.", me.num_fds()),
            ("process_resident_memory_bytes", "gauge", "Resident memory, in bytes.", memory.rss),
            ("process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.", me.create_time()),
            ("process_virtual_memory_bytes", "gauge", "Virtual memory, in bytes.", memory.vms),
        ]
    lines = [f"# HELP {name} {about}\n# TYPE {name} {kind}\n{name} {value}\n" for name, kind, about, value in told]
    python = platform.python_version()
    about = "# HELP python_info The interpreter.\n# TYPE python_info gauge\n"
    return "".join([*lines, about, f'python_info{{version="{python}"}} 1\n'])
