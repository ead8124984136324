"""What this machine allows of true packet loss, tried out in namespaces of our own, and what it refuses."""

import subprocess
import sys

import msgspec

from faults.kernel.breaker import Netem, Nftables
from faults.kernel.loss import TrueLoss
from faults.kernel.space import Refused, Space, ToolError

ROOT, USER = "root", "user"
_PROBED_WITHIN_S = 30.0
_LACKS = {Netem.by: "no netem (kernel module sch_netem)", Nftables.by: "no nftables with numgen"}


class Machine(msgspec.Struct, frozen=True):
    """`namespaces`: made as ROOT, in a USER namespace, or not at all (empty). `why`: for each of namespaces, netem and
    nftables that is missing, one line."""

    namespaces: str
    why: dict[str, str] = {}

    @property
    def by(self) -> str:
        """Who drops packets here: netem if it can, else nftables; empty where nobody can."""
        return next((name for name in (Netem.by, Nftables.by) if self.namespaces and name not in self.why), "")

    def refusal(self, asked: TrueLoss) -> str:
        """One line naming what is missing for it and what stands in; empty where it can be done."""
        if not self.namespaces:
            return _refusal(self.why["namespaces"], asked.modelled)
        if not self.by:
            return _refusal("true loss needs netem or nftables: " + "; ".join(self.why.values()), asked.modelled)
        if self.by != Netem.by and (only := asked.only_netem):
            return _refusal(f"{', '.join(only)}: only netem can, and there is {self.why[Netem.by]}", only)
        return ""


def _refusal(why: str, modelled: dict[str, str]) -> str:
    return f"{why}; modelled: " + ", ".join(f"{name} by {substitute}" for name, substitute in modelled.items())


def none(why: str) -> Machine:
    """A machine on which no wire can be laid, and why not."""
    return Machine("", {"namespaces": why})


def look(namespaces: str, near: Space) -> Machine:
    """What can be hung onto a laid wire at its near end; both are tried out and taken off again."""
    why: dict[str, str] = {}
    for name, attempt in ((Netem.by, Netem.attempt), (Nftables.by, Nftables.attempt)):
        try:
            near.do(attempt)
        except (Refused, ToolError) as error:
            why[name] = f"{_LACKS[name]}: {error}"
    return Machine(namespaces, why)


def probe() -> Machine:
    """Tries it out in a process of its own, for a process of many threads cannot enter a user namespace."""
    command = [sys.executable, "-P", "-m", "faults.kernel", "--probe"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PROBED_WITHIN_S)
        return msgspec.json.decode(done.stdout, type=Machine)
    except subprocess.TimeoutExpired:
        return none(f"no answer within {_PROBED_WITHIN_S:g} s")
    except msgspec.DecodeError:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return none(said[-1] if said else f"the probe ended with {done.returncode}")
