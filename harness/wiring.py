"""Who gets which address, key and setting: the commands and environments of a run's children.

Secrets are random for each run and go only through the environment; plan.yaml holds none.
"""

import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from harness.children import PYTHON
from ledger.clock import Epoch
from ledger.rundir import RunDir
from mocks.identities import fresh
from mocks.keyring import CA_FILE, Keyring
from mocks.ports import Ports
from mocks.tlsproxy import HOSTS
from mocks.upstreams import Keys
from plan.dialects import STUB
from plan.run import Plan
from targets.webshop import Target, filled

MERCHANT_FIRST = 1001
TOKEN_VARIABLE = "ORDERJAM_ADMIN_TOKEN"


class Secrets(msgspec.Struct, frozen=True):
    """All that must never reach a journal, a log or a report."""

    upstreams: dict[str, Keys]
    admin_token: str

    @classmethod
    def fresh(cls, plan: Plan) -> "Secrets":
        """Never from the seed: symmetric ones are random and new, RSA keys those of this machine. In the order of the
        plan, for a shop may prefer what is named first."""
        keyring = Keyring()
        keys = {
            name: fresh(up.dialect, MERCHANT_FIRST + i, keyring) for i, (name, up) in enumerate(plan.upstreams.items())
        }
        return cls(keys, secrets.token_hex(16))


class Command(msgspec.Struct, frozen=True):
    """What to start."""

    argv: list[str]
    env: dict[str, str]


ROLES = ("payment", "supplier", "game")
"""Each role that a plan names is one process, with all its instances."""


def roles(plan: Plan) -> list[str]:
    """The roles that the plan's upstreams play, in the order in which their mocks are started."""
    played = {upstream.role for upstream in plan.upstreams.values()}
    return [role for role in ROLES if role in played]


def mock(
    role: str,
    plan: Plan,
    run: RunDir,
    epoch: Epoch,
    keys: Secrets,
    port_file: Path,
    port: int = 0,
    signal_fd: int | None = None,
) -> Command:
    """The process that plays every instance of a role. `signal_fd`: the pipe in which it tells of struck notices that
    the shop has acknowledged."""
    own = {name: merchant for name, merchant in keys.upstreams.items() if plan.upstreams[name].role == role}
    argv = [*PYTHON, f"mocks.{role}", "--run", str(run.path), "--epoch", str(epoch)]
    argv += ["--port", str(port), "--port-file", str(port_file), "--writer", role]
    argv += ["--signal-fd", str(signal_fd)] if signal_fd is not None else []
    # On loopback, and nobody's but the harness's: a token in the user's environment is for his `mocks up`.
    return Command(argv, {"ORDERJAM_UPSTREAMS": msgspec.json.encode(own).decode(), TOKEN_VARIABLE: ""})


def own_urls(plan: Plan, url: str, ports: Ports) -> dict[str, str]:
    """The addresses of instances that speak no HTTP, beside their mock's own: rcon://127.0.0.1:41234."""
    host = url.removeprefix("http://").rpartition(":")[0]
    return {name: f"{plan.upstreams[name].dialect}://{host}:{port}" for name, port in ports.own.items()}


def tls_routes(
    plan: Plan, urls: Mapping[str, str], named: Mapping[str, str], own: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Who plays which host that clients have built in, by the address of the instance: for each known host the first
    instance of its dialect, and for each host in `named` the instance it names. `urls`: of the mocks, by role; `own`:
    of instances that are found elsewhere."""
    names = {host: _first_of(plan, dialect) for host, dialect in HOSTS.items()} | dict(named)
    played = {host: name for host, name in names.items() if name is not None}
    return {h: own.get(n, f"{urls[plan.upstreams[n].role]}/{n}").rstrip("/") for h, n in played.items()}


def _first_of(plan: Plan, dialect: str) -> str | None:
    return next((name for name, upstream in plan.upstreams.items() if upstream.dialect == dialect), None)


def tls_proxy(routes: Mapping[str, str], port_file: Path, port: int = 0) -> Command:
    """The process of the loopback TLS proxy."""
    argv = [*PYTHON, "mocks.tlsproxy", "--port", str(port), "--port-file", str(port_file)]
    return Command([*argv, *(f"--route={host}={url}" for host, url in routes.items())], {})


def tls_values(proxy_url: str) -> dict[str, str]:
    """What a target file may fill in where the proxy runs: its address, and the CA that its clients must trust."""
    return {"tls_proxy": proxy_url, "tls_ca": str(Keyring().folder / CA_FILE)}


def channels(
    role: str, plan: Plan, keys: Secrets, url: str, own: Mapping[str, str] = MappingProxyType({})
) -> dict[str, dict[str, str]]:
    """Address, dialect and identity of every instance of a role, as its merchant is told them; `url` is its mock's,
    `own` those of instances that speak no HTTP."""
    return {
        name: {
            "url": own.get(name, f"{url}/{name}/"),
            "dialect": plan.upstreams[name].dialect,
            "pid": merchant.pid,
            "key": merchant.key,
            **merchant.told,
        }
        for name, merchant in keys.upstreams.items()
        if plan.upstreams[name].role == role
    }


def shop_values(
    plan: Plan, keys: Secrets, urls: Mapping[str, str], own: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """What a target file may fill in when it says how its shop is started, beside what `harness.shop` knows. `urls`: of
    the mocks, by role; `own`: of instances that speak no HTTP, by name."""
    by_role = {role: channels(role, plan, keys, url, own) for role, url in urls.items()}
    flat = {
        f"{role}.{name}.{field}": text
        for role, instances in by_role.items()
        for name, values in instances.items()
        for field, text in values.items()
    }
    # A shop must not take an upstream that its user wrote down for one that speaks its own dialect.
    spoken = {
        role: {name: at for name, at in instances.items() if plan.upstreams[name].dialect != STUB}
        for role, instances in by_role.items()
    }
    return {
        "python": PYTHON[0],
        "profile": plan.target.profile,
        "admin_token": keys.admin_token,
        "payment_channels": msgspec.json.encode(spoken.get("payment", {})).decode(),
        "supplier_channels": msgspec.json.encode(spoken.get("supplier", {})).decode(),
        "game_servers": msgspec.json.encode(spoken.get("game", {})).decode(),
        **flat,
    }


def shop(target: Target, plan: Plan, values: dict[str, str]) -> Command:
    """The shop under test, its business-time settings divided by compress."""
    argv = [filled(part, values) for part in target.start.command]
    env = {name: filled(text, values) for name, text in target.start.env.items()}
    limits = {**target.business_time, **plan.target.business_time}
    times = {name: f"{plan.wire_s(seconds):.6f}" for name, seconds in limits.items()}
    return Command(argv, {**env, **times})


def driver(
    run: RunDir, epoch: Epoch, state: Path, target_file: Path, shop_url: str, allow: list[str], extra: list[str]
) -> Command:
    """One process of the load generator."""
    argv = [*PYTHON, "load", "--run", str(run.path), "--epoch", str(epoch), "--state", str(state)]
    argv += ["--target", str(target_file), *extra]
    return Command(argv, {"ORDERJAM_SHOP_URL": shop_url, "ORDERJAM_ALLOW": ",".join(allow)})


def port_is_free(port: int) -> bool:
    """Whether nobody listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def reserved_port() -> socket.socket:
    """A socket bound to a free port and never listening: while it is open the kernel gives that port to nobody who asks
    for any port, and a server that names it (with SO_REUSEADDR, as servers do) may listen there, again after a kill."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def free_port() -> int:
    """A loopback port that nobody listens on now; whoever takes it next may be another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
