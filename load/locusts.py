"""Locust as a library: the environment, the runner of each role, and its web page on loopback. No command line, no
configuration file of the working directory, no start or stop but the harness's."""

import os
import socket
import sys
from collections.abc import Callable
from types import SimpleNamespace

import gevent
from flask import Response, request
from locust import User, argument_parser, task
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner, WorkerRunner
from locust.stats import stats_history

HOST = "127.0.0.1"


class WebPortTaken(Exception):
    """Somebody else listens on the port that was asked for the web page."""


def isolate() -> None:
    """Keeps Locust from reading this process's arguments, LOCUST_* variables, ~/.locust.conf, and the locust.conf or
    pyproject.toml of the working directory, all of which its web page and its workers would read."""
    sys.argv = sys.argv[:1]
    for name in [name for name in os.environ if name.startswith("LOCUST_")]:
        del os.environ[name]
    argument_parser.ui_extra_args_dict = lambda args=None: {}


def environment(run: Callable[[], None]) -> Environment:
    """An environment with one kind of user, whose one task is to run this once and then to be there."""

    def send_orders(user: User) -> None:
        run()
        while True:
            gevent.sleep(3600)

    kind = type("Arrivals", (User,), {"send_orders": send_orders, "tasks": [task(send_orders)]})
    return Environment(user_classes=[kind], catch_exceptions=False)


def local(env: Environment, web: int | None) -> LocalRunner:
    """A runner for one process, its user started."""
    runner = env.create_local_runner()
    _serve(env, web)
    runner.start(1, spawn_rate=1)
    return runner


def worker(env: Environment, master_port: int) -> WorkerRunner:
    """A runner that gets its user from the master."""
    # Without options of its own a worker would parse Locust's command line, and with it configuration files.
    env.parsed_options = SimpleNamespace(web_base_path="")
    return env.create_worker_runner(HOST, master_port)


def master(env: Environment, web: int | None) -> MasterRunner:
    """A runner on 127.0.0.1 and a free port, which is its `server.port`."""
    runner = env.create_master_runner(HOST, 0)
    _serve(env, web)
    return runner


def _serve(env: Environment, port: int | None) -> None:
    if port is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise WebPortTaken(f"--web {port}: {error.strerror}; give another port") from None
    web = env.create_web_ui(HOST, port, delayed_start=True)
    web.app.debug = False

    @web.app.before_request  # type: ignore[untyped-decorator]  # flask comes untyped, through locust
    def refuse_changes() -> Response | None:
        if request.method in ("GET", "HEAD"):
            return None
        return Response("orderjam starts and stops this load; the page only shows it", status=403)

    web.start()
    gevent.spawn(stats_history, env.runner)


def leave(runner: LocalRunner | WorkerRunner | MasterRunner) -> None:
    """Ends a runner's greenlets and its connection without waiting for peers that may have gone."""
    runner.greenlet.kill(block=False)
    runner.user_greenlets.kill(block=False)
    connection = getattr(runner, "client", None) or getattr(runner, "server", None)
    if connection is not None:
        connection.close(linger=200)
