"""Who a merchant is at an upstream, dialect by dialect: numbers and symmetric secrets new for each run, RSA keys of
this machine. What a dialect needs here beside a number and a secret is one small function of its own."""

import secrets
from collections.abc import Callable

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from mocks.keyring import Keyring
from mocks.upstreams import Keys

Maker = Callable[[int, Keyring], Keys]


def fresh(dialect: str, number: int, keyring: Keyring) -> Keys:
    """A merchant's identity at one upstream. `number` tells the merchants of a run apart; every symmetric secret is
    random. OSError where this machine's keys cannot be kept."""
    return MAKERS.get(dialect, _plain)(number, keyring)


def _plain(number: int, _: Keyring) -> Keys:
    return Keys(str(number), secrets.token_hex(16))


def _alipay(number: int, keyring: Keyring) -> Keys:
    """`pid` is the app_id; `key` serves nothing but the rule that each has one. Names as in the vendor's console. Key
    mode and certificate mode have the same keys; `other` is nobody's, for signatures that must not verify."""
    app, platform = keyring.pair("alipay-app"), keyring.pair("alipay-platform")
    certs = {
        "app_cert": keyring.certificate("alipay-app", subject="orderjam app").pem,
        "alipay_cert": keyring.certificate("alipay-platform", subject="orderjam Alipay").pem,
        "alipay_root_cert": keyring.ca(),
    }
    seller = {"seller_id": f"2088{number:012d}"}
    own = {
        "app_public_key": app.public,
        "platform_private_key": platform.private,
        "other_private_key": keyring.pair("alipay-other").private,
    }
    told = {"app_private_key": app.private, "alipay_public_key": platform.public}
    return Keys(f"20210000{number:08d}", secrets.token_hex(16), own | certs | seller, told | certs | seller)


def _wechat(number: int, keyring: Keyring) -> Keys:
    """`pid` is the mchid, `key` the APIv3 key. The platform signs with `platform`, soon with `next`; both are listed.
    `later` is listed nowhere, and `stranger` is no key of the platform's at all."""
    merchant = keyring.certificate("wechat-merchant", subject="orderjam merchant")
    platform = keyring.certificate("wechat-platform", subject="orderjam platform")
    coming = keyring.certificate("wechat-platform-next", subject="orderjam platform")
    later = keyring.certificate("wechat-platform-later", subject="orderjam platform")
    public_key_id, appid = f"PUB_KEY_ID_0{number:010d}", f"wx{number:016d}"
    own = {
        "merchant_certificate": merchant.pem,
        "merchant_serial": merchant.serial,
        "platform_private_key": platform.private,
        "platform_certificate": platform.pem,
        "platform_public_key_id": public_key_id,
        "next_platform_private_key": coming.private,
        "next_platform_certificate": coming.pem,
        "later_platform_private_key": later.private,
        "later_platform_certificate": later.pem,
        "stranger_private_key": keyring.pair("wechat-stranger").private,
        "appid": appid,
    }
    told = {
        "appid": appid,
        "merchant_private_key": _pkcs8(merchant.private),
        "merchant_serial": merchant.serial,
        "platform_certificate": platform.pem,
        "platform_serial": platform.serial,
        "platform_public_key": keyring.pair("wechat-platform").public,
        "platform_public_key_id": public_key_id,
    }
    return Keys(f"190000{number:04d}", secrets.token_hex(16), own, told)


def _pkcs8(pem: str) -> str:
    """The private key as WeChat Pay's own tool writes it, and as wechatpayv3 reads it: PKCS#8, no other."""
    key = load_pem_private_key(pem.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _epay_v2(number: int, keyring: Keyring) -> Keys:
    """`key` serves nothing but the rule that each has one. With the other key the gateway signs wrongly."""
    merchant, platform = keyring.pair("epay-merchant"), keyring.pair("epay-platform")
    own = {
        "merchant_public_key": merchant.public,
        "platform_private_key": platform.private,
        "other_private_key": keyring.pair("epay-other").private,
    }
    told = {"merchant_private_key": merchant.private, "platform_public_key": platform.public}
    return Keys(str(number), secrets.token_hex(16), own, told)


def _with_webhooks(number: int, _: Keyring) -> Keys:
    """`key` is the API key; webhooks are signed with a secret of their own."""
    secret = secrets.token_hex(16)
    return Keys(str(number), secrets.token_hex(16), {"webhook_secret": secret}, {"webhook_secret": secret})


MAKERS: dict[str, Maker] = {
    "alipay": _alipay,
    "wechat": _wechat,
    "epay_v2": _epay_v2,
    "fazer": _with_webhooks,
}
