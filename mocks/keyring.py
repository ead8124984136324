"""RSA keys and certificates, made once on this machine and kept: they take long to make, and their owners last.

They lie in $XDG_CACHE_HOME/orderjam/keys (else ~/.cache), readable by their owner alone; deleted, they are made anew.
Neither they nor any other secret comes from a scenario's seed.
"""

import os
import tempfile
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from ledger.clock import utc_now

RSA_BITS = 2048
LIFE = timedelta(days=3650)
LEFT_MIN = timedelta(days=30)
"""A certificate that ends sooner is made anew."""
CA = "orderjam local CA"
CA_NAME = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "orderjam"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "orderjam"),
        x509.NameAttribute(NameOID.COMMON_NAME, CA),
    ]
)
"""In full: Alipay's numbers of certificates are made of all four parts of an issuer's name."""
CA_FILE = "ca.crt"
"""In the folder of the keys."""

Make = Callable[[], str]
Check = Callable[[str], bool]


class Pair(msgspec.Struct, frozen=True):
    """An RSA key pair, as PEM: PKCS#1 for the private key, SubjectPublicKeyInfo for the public one."""

    private: str
    public: str


class Cert(msgspec.Struct, frozen=True):
    """A certificate with its private key, as PEM; `serial` is upper-case hex."""

    private: str
    pem: str
    serial: str


def keys_folder() -> Path:
    """Where this machine's keys lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "orderjam" / "keys"


class Keyring:
    """The keys of this machine, by name. Several processes may ask for the same at once: all get the same."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or keys_folder()

    def pair(self, name: str) -> Pair:
        """The key pair of that name. OSError where the folder cannot be written."""
        private = self._kept(f"{name}.key", _new_key)
        public = _read(private).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return Pair(private, public.decode())

    def certificate(self, name: str, *, subject: str, hosts: tuple[str, ...] = ()) -> Cert:
        """The certificate of that name, by the local CA; `hosts` are the names and addresses it is good for."""
        private = self._kept(f"{name}.key", _new_key)
        ca_private = self._kept("ca.key", _new_key)
        ca_pem = self.ca()

        def make() -> str:
            issuer = x509.load_pem_x509_certificate(ca_pem.encode()).subject
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
            return _certificate(_read(private), name, hosts, issuer, _read(ca_private))

        pem = self._kept(f"{name}.crt", make, is_good=lambda text: _lasts(text) and _is_by(text, ca_pem))
        return Cert(private, pem, f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:X}")

    def ca(self) -> str:
        """The local CA's own certificate, as PEM."""
        private = self._kept("ca.key", _new_key)

        def make() -> str:
            own = _read(private)
            return _certificate(own, CA_NAME, (), CA_NAME, own, is_ca=True)

        return self._kept(CA_FILE, make, is_good=lambda text: _lasts(text) and _holds(text, private))

    def _kept(self, file: str, make: Make, *, is_good: Check | None = None) -> str:
        """The text of a file, made at the first time; made again where it cannot be used any more."""
        path, check = self.folder / file, is_good or _is_key
        try:
            text = path.read_text(encoding="ascii")
            if check(text):
                return text
            path.unlink(missing_ok=True)
        except (FileNotFoundError, UnicodeDecodeError):
            pass
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, part = tempfile.mkstemp(dir=self.folder)  # readable by its owner alone
        with os.fdopen(handle, "w", encoding="ascii") as written:
            written.write(make())
        try:
            os.link(part, path)  # the first to come wins, and all take what he made
        except FileExistsError:
            pass
        finally:
            os.unlink(part)
        return path.read_text(encoding="ascii")


def _new_key() -> str:
    key = rsa.generate_private_key(65537, RSA_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def _read(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _certificate(
    key: RSAPrivateKey,
    subject: x509.Name,
    hosts: tuple[str, ...],
    issuer: x509.Name,
    signing: RSAPrivateKey,
    *,
    is_ca: bool = False,
) -> str:
    now = utc_now().replace(microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(_usage(is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    if hosts:
        made = made.add_extension(x509.SubjectAlternativeName([_san(host) for host in hosts]), critical=False)
    return made.sign(signing, SHA256()).public_bytes(Encoding.PEM).decode()


def _usage(is_ca: bool) -> x509.KeyUsage:
    """Strict checkers, that of Python 3.13 among them, take no CA that does not say that it is one to sign."""
    return x509.KeyUsage(
        digital_signature=not is_ca, key_encipherment=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca,
        content_commitment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _san(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _is_key(text: str) -> bool:
    try:
        return _read(text).key_size >= RSA_BITS
    except (ValueError, AssertionError):
        return False


def _lasts(text: str) -> bool:
    try:
        until = x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc
    except ValueError:
        return False
    return until - utc_now() > LEFT_MIN


def _is_by(text: str, ca_pem: str) -> bool:
    """Whether the CA of this machine has signed it: an older one may have been deleted."""
    try:
        x509.load_pem_x509_certificate(text.encode()).verify_directly_issued_by(
            x509.load_pem_x509_certificate(ca_pem.encode())
        )
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _holds(text: str, private: str) -> bool:
    """Whether the certificate is our CA's, and of this very key."""
    cert = x509.load_pem_x509_certificate(text.encode())
    return cert.subject == CA_NAME and cert.public_key() == _read(private).public_key()
