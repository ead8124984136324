"""The commands `orderjam toxiproxy` and `orderjam proxy`: faults on the wire without a run."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
import uvloop

from faults.transport import api, api_read
from faults.transport.addresses import Address, AddressError, NotAllowedError, bound, dialled, listening
from faults.transport.api_read import ApiError
from faults.transport.proxies import Proxies
from faults.transport.proxy import Proxy
from faults.transport.serving import Interrupts, serve, take_all_descriptors
from faults.transport.toxic import Placed, Stream, Toxic, toxics
from harness.cli_common import print_json, refuse, say
from harness.run import Exit
from plan.document import nearest
from plan.units import Share

PORT = 8474
SHOWN_EVERY_S = 0.5
CONFIG_MAX = api.BODY_MAX
_PLACED = ("name", "stream", "toxicity", "match.method", "match.path", "match.header.NAME")

TOXIPROXY_EXAMPLES = (
    "Examples: `orderjam toxiproxy` · `orderjam toxiproxy --config proxies.json --seed 7` · "
    "`orderjam toxiproxy --host 0.0.0.0 --allow 0.0.0.0 --allow db.internal --proxy-metrics`"
)
PROXY_EXAMPLES = (
    "Examples: `orderjam proxy --upstream 127.0.0.1:5432 --toxic 'latency latency=200 jitter=50'` · "
    "`orderjam proxy --listen 127.0.0.1:8080 --upstream 127.0.0.1:80 --toxic 'bandwidth rate=20 stream=upstream' "
    "--toxic 'reset_peer timeout=500 toxicity=0.3'`"
)

Allow = Annotated[
    list[str] | None,
    typer.Option(metavar="HOST", help="A host beside loopback that may be listened on or dialled; '*': all."),
]
Seed = Annotated[int, typer.Option(help="Of toxicity, jitter and what else toxics draw.")]


def toxiproxy(
    host: Annotated[
        str, typer.Option(help="Where the API listens; off loopback: only what --allow names.")
    ] = "localhost",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the API; 0 takes a free one.")] = PORT,
    config: Annotated[
        Path | None, typer.Option(help="Proxies to begin with: a JSON file as Toxiproxy's own server reads it.")
    ] = None,
    seed: Seed = 0,
    proxy_metrics: Annotated[bool, typer.Option("--proxy-metrics", help="Bytes of each proxy at /metrics.")] = False,
    runtime_metrics: Annotated[bool, typer.Option("--runtime-metrics", help="The process at /metrics.")] = False,
    allow: Allow = None,
) -> None:
    """A server that answers as Toxiproxy 2.12.0 does, until Ctrl-C; every client of Toxiproxy can use it."""
    allowed = tuple(allow or ())
    at = _address(listening, "--host", f"[{host}]:{port}" if ":" in host else f"{host}:{port}", allowed)
    body = _config(config)
    api_socket = _bound(at, "--port", port)

    async def served(interrupts: Interrupts) -> None:
        proxies = Proxies(seed=seed, allow=allowed)
        try:
            if body is not None:
                _populate(proxies, body, config)
            app = api.app(proxies, proxy_metrics=proxy_metrics, runtime_metrics=runtime_metrics)
            await serve(
                app, api_socket, announce=lambda port_: _announce(at.host, port_, proxies), until=interrupts.came
            )
        finally:
            proxies.close()

    _run(served)


def proxy(
    upstream: Annotated[str, typer.Option(metavar="ADDR", help="What is behind it, such as 127.0.0.1:5432.")],
    listen: Annotated[
        str, typer.Option(metavar="ADDR", help="Where it listens; port 0 takes a free one.")
    ] = "127.0.0.1:0",
    toxic: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'TYPE key=value ...'", help="A toxic, its attributes, stream and toxicity. May be repeated."
        ),
    ] = None,
    seed: Seed = 0,
    allow: Allow = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be placed, and start nothing.")] = False,
) -> None:
    """One proxy with toxics, until Ctrl-C; shows its connections and bytes meanwhile."""
    allowed = tuple(allow or ())
    at = _address(listening, "--listen", listen, allowed)
    to = _address(dialled, "--upstream", upstream, allowed)
    placed: list[Placed] = []
    for text in toxic or []:
        placed.append(_placed(text, [one.name for one in placed]))
    if dry_run:
        told = {"name": "proxy", "listen": str(at), "upstream": str(to), "enabled": True}
        print_json(told | {"toxics": [json.loads(api.toxic_text(one)) for one in placed]})
        return

    async def served(interrupts: Interrupts) -> None:
        proxies = Proxies(seed=seed, allow=allowed)
        try:
            try:
                made = proxies.add("proxy", str(at), str(to))
            except OSError as error:
                refuse(f"--listen {at} cannot be listened on: {os.strerror(error.errno or 0).lower()}")
            for one in placed:
                made.add_toxic(one)
            say(f"{made.listen} leads to {to}" + "".join(f"\n  {api.toxic_text(one)}" for one in made.toxics))
            await _shown(made, interrupts.came)
        finally:
            proxies.close()

    _run(served)


def _run(served: Callable[[Interrupts], Awaitable[None]]) -> NoReturn:
    """Until SIGTERM (exit 0) or Ctrl-C (130)."""

    async def within() -> int:
        interrupts = Interrupts()
        await served(interrupts)
        return Exit.INTERRUPTED if interrupts.by_hand else Exit.PASSED

    take_all_descriptors()
    raise typer.Exit(uvloop.run(within()))


def _address(
    read: Callable[[str, tuple[str, ...]], Address], option: str, text: str, allowed: tuple[str, ...]
) -> Address:
    try:
        return read(text, allowed)
    except NotAllowedError as error:
        refuse(f"{option}: {error}")
    except AddressError as error:
        refuse(f"{option} {text}: {error}; legal: HOST:PORT of this machine")


def _bound(at: Address, option: str, port: int) -> socket.socket:
    try:
        return bound(at.host, at.port)
    except OSError as error:
        refuse(f"{option} {port}: {at} cannot be listened on: {os.strerror(error.errno or 0).lower()}")


def _config(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        body = file.read_bytes()
    except OSError as error:
        refuse(f"--config {file}: cannot be read: {os.strerror(error.errno or 0).lower()}")
    if len(body) > CONFIG_MAX:
        refuse(f"--config {file}: {len(body)} bytes; legal: up to {CONFIG_MAX}")
    return body


def _populate(proxies: Proxies, body: bytes, file: Path | None) -> None:
    try:
        api.populate(proxies, body, [])
    except ApiError as error:
        refuse(f"--config {file}: {error}")


def _announce(host: str, port: int, proxies: Proxies) -> None:
    say(f"orderjam toxiproxy {api.VERSION}: the API is at http://{Address(host, port)} (Ctrl-C ends it)")
    for one in proxies.all():
        say(f"  {one.name}: {one.listen} leads to {one.upstream}" + ("" if one.enabled else " (disabled)"))


# --- a toxic in words -------------------------------------------------------------------------------------------
def _placed(text: str, names: list[str]) -> Placed:
    """A toxic as `latency latency=200 stream=upstream toxicity=0.3`, read as the API reads one in JSON."""
    where = f"--toxic {text!r}"
    kind, *words = text.split() or [""]
    if (toxic := toxics().get(kind)) is None:
        refuse(f"{where}: no toxic {kind!r}{nearest(kind, toxics())}")
    body: dict[str, Any] = {"type": kind, "attributes": {}}
    for word in words:
        key, is_pair, value = word.partition("=")
        if not is_pair:
            refuse(f"{where}: {word!r} is no key=value")
        _put(body, toxic, key, value, where)
    try:
        return api_read.placed(msgspec.json.encode(body), names)
    except ApiError as error:
        if error.status == HTTPStatus.CONFLICT:
            refuse(f"{where}: another toxic has this name already; legal: name=ANOTHER")
        refuse(f"{where}: {str(error).removeprefix('bad request body: ')}")


def _put(body: dict[str, Any], toxic: type[Toxic], key: str, value: str, where: str) -> None:
    """Puts one word of a toxic where the API looks for it."""
    matches, _, header = key.removeprefix("match.").partition(".")
    if key in toxic.__struct_fields__:
        body["attributes"][key] = number = _value(value)
        if not toxic.is_ours and (type(number) is not int or number < 0):  # Toxiproxy takes less than nothing as well
            refuse(f"{where}: {key}={value}; legal: a whole number from 0")
    elif key in ("name", "stream"):
        body[key] = value
        if key == "stream" and value not in tuple(Stream):
            refuse(f"{where}: stream={value}{nearest(value, Stream)}")
    elif key == "toxicity":
        try:
            body[key] = float(Share.parse(value if value.endswith("%") else _value(value)))
        except ValueError:
            refuse(f"{where}: toxicity={value}; legal: 0 to 1, or 0% to 100%")
    elif key.startswith("match.") and matches in ("method", "path") and not header:
        body.setdefault("match", {})[matches] = value
    elif key.startswith("match.header.") and header:
        body.setdefault("match", {}).setdefault("header", {})[header] = value
    else:
        refuse(f"{where}: {toxic.kind} has no {key!r}{nearest(key, [*toxic.__struct_fields__, *_PLACED])}")


def _value(text: str) -> Any:
    """A number or another value of JSON; any other text is itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


# --- what a proxy carries ---------------------------------------------------------------------------------------
async def _shown(shown: Proxy, until: asyncio.Event) -> None:
    """Shows connections and bytes until the event: a line that changes where a person looks on, else one at the end."""
    is_watched = sys.stderr.isatty()
    while not until.is_set():
        if is_watched:
            print(f"\r\x1b[K{_line(shown)}", end="", file=sys.stderr, flush=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(SHOWN_EVERY_S):
                await until.wait()
    say(f"\r\x1b[K{_line(shown)}" if is_watched else _line(shown))


def _line(shown: Proxy) -> str:
    up, down = (sum(link.sent for link in shown.counted() if link.direction == stream) for stream in Stream)
    return f"{shown.connections} connections open of {shown.accepted} · {_bytes(up)} sent up · {_bytes(down)} sent down"


def _bytes(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    unit, size = next((u, s) for u, s in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)) if count >= s)
    return f"{count / size:.1f} {unit}"
