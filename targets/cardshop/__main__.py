"""Starts the shop: arguments and environment in; a web process that serves until it is told to end, and its workers."""

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path

import uvloop
from sqlalchemy.exc import DBAPIError

from targets.cardshop import clients, serving
from targets.cardshop.database import DATABASE_AWAY
from targets.cardshop.peers import SettingsError
from targets.cardshop.profiles import Profile, ProfileError, read_profile
from targets.cardshop.settings import VARIABLES, Settings, read_settings
from targets.cardshop.workers import Workers, fork_workers

FAILED, WRONG_USE = 1, 2

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
    """Run the shop; the exit code: 0 ended as told, 1 its database is away, 2 wrong use."""
    arguments = _arguments(sys.argv[1:])
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        profile = read_profile(arguments.profile)
        settings = read_settings(os.environ, arguments.data)
        clients.check(settings, profile)
        arguments.data.mkdir(parents=True, exist_ok=True)
        with socket.create_server((arguments.host, arguments.port), backlog=serving.BACKLOG) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            place = serving.Place(listener, url, arguments.data, arguments.port_file)
            workers = _fork_workers(settings, profile, place) if profile.queue_delivery else Workers()
            _run(serving.serve(settings, profile, place, workers))
    except (ProfileError, SettingsError) as error:
        return _complain(str(error))
    except DATABASE_AWAY as error:
        why = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
        return _complain(f"CARDSHOP_DATABASE_URL: the database is away: {why}", FAILED)
    except OSError as error:
        where = error.filename or f"--host {arguments.host} --port {arguments.port}"
        return _complain(f"{where}: {error.strerror or error}")
    return 0


def _fork_workers(settings: Settings, profile: Profile, place: serving.Place) -> Workers:
    """The workers, before this process has a loop or a thread."""

    def work(name: str, ear: int, is_first: bool) -> None:
        _run(serving.work(settings, profile, place.url, name, ear, is_first=is_first))

    names = [f"worker-{n}" for n in range(1, settings.workers + 1)]
    return fork_workers(names, work, pid_file=place.worker_pids, listener=place.listener)


def _run(what: Coroutine[object, object, None]) -> None:
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(what)


def _complain(line: str, code: int = WRONG_USE) -> int:
    print(f"cardshop: {line}", file=sys.stderr)
    return code


def _arguments(given: list[str]) -> Arguments:
    parser = argparse.ArgumentParser(
        prog="python -P -m targets.cardshop",
        description="A shop that sells card keys and direct top-ups, paid through Epay: the reference under test.",
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
