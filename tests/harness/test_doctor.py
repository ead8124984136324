"""What `orderjam doctor` says of a machine: found or not, and what a missing thing costs."""

from pathlib import Path

import pytest

from faults.kernel.machine import Machine, none
from harness import doctor
from harness.doctor import Check, of_true_loss

NO_NETEM = {"netem": "no netem (kernel module sch_netem): tc: Error"}
NO_NFT = {"nftables": "no nftables with numgen: `nft` is not installed (Debian's package nftables)"}


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.mark.parametrize("kind", ["root", "user"])
def test_a_machine_that_has_all_of_true_loss_misses_nothing(kind: str) -> None:
    checks = of_true_loss(Machine(kind))
    assert [check.name for check in checks] == ["namespaces", "netem", "nftables"]
    assert all(check.ok and not check.costs for check in checks)


@pytest.mark.parametrize(
    ("machine", "missing", "costs"),
    [
        (none("no network namespace can be made here"), "namespaces", "wire.true_loss is refused"),
        (none("no network namespace can be made here"), "netem", "wire.true_loss is refused"),
        (Machine("user", NO_NETEM), "netem", "no burst, delay, reorder, duplicate, kb_s"),
        (Machine("user", NO_NFT), "nftables", "nothing, for netem is there"),
        (Machine("user", NO_NETEM | NO_NFT), "netem", "wire.true_loss is refused"),
        (Machine("user", NO_NETEM | NO_NFT), "nftables", "wire.true_loss is refused"),
    ],
)
def test_what_is_missing_for_true_loss_is_told_with_the_reason_and_its_cost(
    machine: Machine, missing: str, costs: str
) -> None:
    check = by_name(of_true_loss(machine))[missing]
    assert not check.ok
    assert check.found
    assert costs in check.costs


@pytest.mark.parametrize("there", [True, False])
def test_a_toxiproxy_is_looked_for_where_the_environment_names_it(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "any-name"
    if there:
        binary.touch(0o755)
    monkeypatch.setenv("TOXIPROXY_SERVER", str(binary))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    check = doctor.of_toxiproxy()
    assert check.ok is there
    assert bool(check.costs) is not there
    assert check.found == (str(binary) if there else "none")


@pytest.mark.parametrize("there", [True, False])
def test_postgresql_is_there_if_both_its_binaries_are(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "initdb").touch(0o755)
    if there:
        (tmp_path / "postgres").touch(0o755)
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    check = doctor.of_postgres()
    assert (check.found == str(tmp_path)) is there
    assert bool(check.costs) is not check.ok
