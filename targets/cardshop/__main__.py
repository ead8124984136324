"""Starts the shop: arguments and environment in, one process that serves until it is told to end."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from targets.cardshop.app import build_app
from targets.cardshop.expiring import keep_expiring
from targets.cardshop.gateway import Gateway
from targets.cardshop.lookups import Lookups
from targets.cardshop.products import PRODUCTS
from targets.cardshop.profiles import Profile, ProfileError, read_profile
from targets.cardshop.requerying import keep_requerying
from targets.cardshop.settings import VARIABLES, Settings, SettingsError, read_settings
from targets.cardshop.shop import Shop
from targets.cardshop.store import Store

WRONG_USE = 2
_BACKLOG = 1024
_GATEWAY_CONNECTIONS = 100
_GOODBYE_S = 3.0

_EXAMPLES = f"""\
examples:
  export CARDSHOP_CHANNELS='{{"epay": {{"url": "http://127.0.0.1:9000/epay/", "pid": "1001", "key": "…"}}}}'
  python -P -m targets.cardshop --port 8000 --data /tmp/shop
  python -P -m targets.cardshop --port 0 --port-file /tmp/port --data /tmp/shop --profile naive+settle_once
  python -P -m targets.cardshop --data /tmp/shop --profile hardened-verify_amount

environment: {", ".join(VARIABLES)}
"""


@dataclass(frozen=True)
class Arguments:
    """What the command line says."""

    host: str
    port: int
    port_file: Path | None
    data: Path
    profile: str


def main() -> int:
    """Run the shop; the exit code: 0 ended as told, 2 wrong use."""
    arguments = _arguments(sys.argv[1:])
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        profile = read_profile(arguments.profile)
        settings = read_settings(os.environ, arguments.data)
        arguments.data.mkdir(parents=True, exist_ok=True)
        listener = socket.create_server((arguments.host, arguments.port), backlog=_BACKLOG)
        store = Store(settings.database_url)
    except (ProfileError, SettingsError) as error:
        return _complain(str(error))
    except ModuleNotFoundError as error:
        return _complain(f"CARDSHOP_DATABASE_URL: its driver {error.name} is not installed")
    except OSError as error:
        place = error.filename or f"--host {arguments.host} --port {arguments.port}"
        return _complain(f"{place}: {error.strerror or error}")
    with listener:
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(
            _serve(settings, profile, store, listener, arguments.port_file)
        )
    return 0


async def _serve(
    settings: Settings, profile: Profile, store: Store, listener: socket.socket, port_file: Path | None
) -> None:
    """Serve until SIGTERM or SIGINT; everything that runs belongs to one of the two groups below."""
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    async with AsyncExitStack() as held:
        held.push_async_callback(store.close)
        await store.open(PRODUCTS, stock=settings.stock)
        session = await held.enter_async_context(_gateway_session(settings.gateway_timeout_s))
        async with asyncio.TaskGroup() as keepers:
            async with asyncio.TaskGroup() as deliveries:
                shop = Shop(
                    settings=settings,
                    profile=profile,
                    public_url=settings.public_url or _own_url(listener),
                    store=store,
                    lookups=Lookups(store),
                    gateways={name: Gateway(channel, session) for name, channel in settings.channels.items()},
                    now=time.time,
                    spawn=deliveries.create_task,
                )
                kept = [keepers.create_task(keep_expiring(shop))]
                if profile.requery_unpaid:
                    kept.append(keepers.create_task(keep_requerying(shop)))
                await _answer_until(told_to_end, shop, listener, port_file)
            # What was acknowledged is delivered by now.
            for task in kept:
                task.cancel()


async def _answer_until(
    told_to_end: asyncio.Event, shop: Shop, listener: socket.socket, port_file: Path | None
) -> None:
    runner = web.AppRunner(build_app(shop), access_log=None, shutdown_timeout=_GOODBYE_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, backlog=_BACKLOG).start()
        if port_file is not None:
            _write_port(port_file, listener.getsockname()[1])
        await told_to_end.wait()
    finally:
        await runner.cleanup()


def _gateway_session(timeout_s: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_GATEWAY_CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _own_url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _write_port(port_file: Path, port: int) -> None:
    """Written beside and renamed, so that whoever waits for the file never reads half a number."""
    beside = port_file.with_name(port_file.name + ".part")
    beside.write_text(f"{port}\n")
    beside.replace(port_file)


def _complain(line: str) -> int:
    print(f"cardshop: {line}", file=sys.stderr)
    return WRONG_USE


def _arguments(given: list[str]) -> Arguments:
    parser = argparse.ArgumentParser(
        prog="python -P -m targets.cardshop",
        description="A shop that sells card keys from its own stock, paid through Epay: the reference under test.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8000, help="port, 0 for any free one (default: %(default)s)")
    parser.add_argument("--port-file", type=Path, help="write the port into this file once connections are accepted")
    parser.add_argument("--data", type=Path, default=Path("cardshop-data"), help="folder of the database (%(default)s)")
    parser.add_argument(
        "--profile", default="naive", help="naive or hardened, then +SWITCH or -SWITCH (default: %(default)s)"
    )
    return Arguments(**vars(parser.parse_args(given)))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; legal: 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
