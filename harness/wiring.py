"""Who gets which address, key and setting: the commands and environments of a run's children.

Secrets are random for each run and go only through the environment; plan.yaml holds none.
"""

import secrets
from pathlib import Path

import msgspec

from harness.children import PYTHON
from ledger.clock import Epoch
from ledger.rundir import RunDir
from plan.run import Plan
from targets.webshop import Target, filled

MERCHANT_FIRST = 1001


class Keys(msgspec.Struct, frozen=True):
    """A merchant's identity at one upstream instance."""

    pid: str
    key: str


class Secrets(msgspec.Struct, frozen=True):
    """All that must never reach a journal, a log or a report."""

    upstreams: dict[str, Keys]
    admin_token: str

    @classmethod
    def fresh(cls, plan: Plan) -> "Secrets":
        """New random ones; never from the seed."""
        names = sorted(plan.upstreams)
        keys = {name: Keys(str(MERCHANT_FIRST + i), secrets.token_hex(16)) for i, name in enumerate(names)}
        return cls(keys, secrets.token_hex(16))


class Command(msgspec.Struct, frozen=True):
    """What to start."""

    argv: list[str]
    env: dict[str, str]


def payment_mock(plan: Plan, run: RunDir, epoch: Epoch, keys: Secrets, port_file: Path) -> Command:
    """The process that plays every payment instance of the plan."""
    upstreams = {n: k for n, k in keys.upstreams.items() if plan.upstreams[n].role == "payment"}
    argv = [*PYTHON, "mocks.payment", "--run", str(run.path), "--epoch", str(epoch)]
    argv += ["--port", "0", "--port-file", str(port_file), "--writer", "payment"]
    return Command(argv, {"ORDERJAM_UPSTREAMS": msgspec.json.encode(upstreams).decode()})


def shop_values(
    plan: Plan, keys: Secrets, payment_url: str, *, data: Path, port_file: Path, port: int
) -> dict[str, str]:
    """What a target file may fill in when it says how its shop is started."""
    channels = {
        name: {"url": f"{payment_url}/{name}/", "pid": k.pid, "key": k.key}
        for name, k in keys.upstreams.items()
        if plan.upstreams[name].role == "payment"
    }
    flat = {f"payment.{name}.{field}": text for name, values in channels.items() for field, text in values.items()}
    return {
        "python": PYTHON[0],
        "data": str(data),
        "profile": plan.target.profile,
        "port_file": str(port_file),
        "port": str(port),
        "admin_token": keys.admin_token,
        "payment_channels": msgspec.json.encode(channels).decode(),
        **flat,
    }


def shop(target: Target, plan: Plan, values: dict[str, str]) -> Command:
    """The shop under test, its business-time settings divided by compress."""
    argv = [filled(part, values) for part in target.start.command]
    env = {name: filled(text, values) for name, text in target.start.env.items()}
    times = {name: f"{plan.wire_s(seconds):.6f}" for name, seconds in target.business_time.items()}
    return Command(argv, {**env, **times})


def driver(
    run: RunDir, epoch: Epoch, state: Path, target_file: Path, shop_url: str, allow: list[str], extra: list[str]
) -> Command:
    """One process of the load generator."""
    argv = [*PYTHON, "load", "--run", str(run.path), "--epoch", str(epoch), "--state", str(state)]
    argv += ["--target", str(target_file), *extra]
    return Command(argv, {"ORDERJAM_SHOP_URL": shop_url, "ORDERJAM_ALLOW": ",".join(allow)})
