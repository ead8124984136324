"""This machine's keys: made once, the same for everyone, made anew where they cannot be used."""

import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from mocks.identities import MAKERS, fresh
from mocks.keyring import CA_FILE, Keyring

pytestmark = pytest.mark.slow


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = Keyring(tmp_path / "keys").pair("app")
    assert Keyring(tmp_path / "keys").pair("app") == first
    assert Keyring(tmp_path / "keys").pair("other") != first
    assert first.private.startswith("-----BEGIN RSA PRIVATE KEY-----")
    files = list((tmp_path / "keys").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert sorted(file.name for file in files) == ["app.key", "other.key"]


def test_whoever_asks_at_the_same_time_gets_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: Keyring(tmp_path).pair("app").private, range(8)))) == 1


def test_what_is_no_key_any_more_is_made_anew(tmp_path: Path) -> None:
    before = Keyring(tmp_path).pair("app")
    (tmp_path / "app.key").write_text("nonsense")
    assert Keyring(tmp_path).pair("app") not in (before, "nonsense")


def test_a_certificate_is_signed_by_the_ca_of_this_machine_also_after_that_was_deleted(tmp_path: Path) -> None:
    for _ in range(2):
        cert = Keyring(tmp_path).certificate("leaf", subject="leaf", hosts=("api.example", "127.0.0.1"))
        leaf, ca = (x509.load_pem_x509_certificate(t.encode()) for t in (cert.pem, Keyring(tmp_path).ca()))
        leaf.verify_directly_issued_by(ca)
        assert f"{leaf.serial_number:X}" == cert.serial
        (tmp_path / "ca.key").unlink()
        (tmp_path / "ca.crt").unlink()


def test_a_strict_client_takes_the_certificate_of_a_host_and_of_no_other(tmp_path: Path) -> None:
    Keyring(tmp_path).certificate("leaf", subject="leaf", hosts=("api.example",))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "leaf.crt", tmp_path / "leaf.key")
    asking = ssl.create_default_context(cafile=str(tmp_path / CA_FILE))
    asking.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself
    shaken_hands(asking, serving, "api.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shaken_hands(asking, serving, "other.example")


def shaken_hands(asking: ssl.SSLContext, serving: ssl.SSLContext, host: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server, server_hostname=host)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    left = [client, server]
    while left:
        side = left.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            left.append(side)


@pytest.mark.parametrize("dialect", [*MAKERS, "epay"])
def test_two_merchants_differ_in_number_and_secret_and_nothing_secret_is_printed(tmp_path: Path, dialect: str) -> None:
    one, other = (fresh(dialect, 1001 + i, Keyring(tmp_path)) for i in range(2))
    assert one.pid != other.pid
    assert one.key != other.key
    assert one.key not in repr(one)
    assert all(text not in repr(one) for text in one.own.values())
