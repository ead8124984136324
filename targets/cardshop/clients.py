"""Which client speaks which dialect: a channel or supplier of the settings becomes what the shop asks."""

from collections.abc import Callable

import aiohttp

from targets.cardshop.alipay import Alipay
from targets.cardshop.epay import Epay
from targets.cardshop.fulu import Fulu
from targets.cardshop.gateway import Gateway
from targets.cardshop.peers import CHANNELS, Peer, SettingsError
from targets.cardshop.profiles import Profile
from targets.cardshop.sdk import SdkThreads
from targets.cardshop.settings import Settings
from targets.cardshop.shop import exchange_s
from targets.cardshop.supplier import SharedStore
from targets.cardshop.wechat import WeChat

_THROUGH_SDK: dict[str, type[Alipay] | type[WeChat]] = {"alipay": Alipay, "wechat": WeChat}


def gateways(settings: Settings, profile: Profile, session: aiohttp.ClientSession) -> dict[str, Gateway]:
    """A client of each channel; those of SDKs share their threads. SettingsError where a key cannot be used."""
    timeout_s = exchange_s(settings, profile)
    threads = SdkThreads(settings.sdk_threads, patience_s=timeout_s)

    def one(channel: Peer) -> Gateway:
        if channel.dialect not in _THROUGH_SDK:
            return Epay(channel, session, is_tolerant=profile.tolerant_reader)
        return _through_sdk(channel, threads, timeout_s, profile)

    return {name: one(channel) for name, channel in settings.channels.items()}


def suppliers(
    settings: Settings, profile: Profile, session: aiohttp.ClientSession, now: Callable[[], float]
) -> dict[str, SharedStore | Fulu]:
    """A client of each supplier."""

    def one(peer: Peer) -> SharedStore | Fulu:
        if peer.dialect == "fulu":
            return Fulu(peer, session, is_tolerant=profile.tolerant_reader, now=now)
        return SharedStore(peer, session, is_tolerant=profile.tolerant_reader)

    return {name: one(peer) for name, peer in settings.suppliers.items()}


def check(settings: Settings, profile: Profile) -> None:
    """SettingsError where a channel's keys cannot be used: before anything is started."""
    threads = SdkThreads(1, patience_s=1.0)
    for channel in settings.channels.values():
        if channel.dialect in _THROUGH_SDK:
            _through_sdk(channel, threads, 1.0, profile)


def _through_sdk(channel: Peer, threads: SdkThreads, timeout_s: float, profile: Profile) -> Alipay | WeChat:
    made = _THROUGH_SDK[channel.dialect]
    try:
        return made(
            channel,
            threads,
            timeout_s=timeout_s,
            is_tolerant=profile.tolerant_reader,
            is_careful=profile.verify_amount,
        )
    except (ValueError, IndexError, TypeError):
        raise SettingsError(f"{CHANNELS}, channel {channel.name!r}: a key in it cannot be used; legal: PEM") from None
