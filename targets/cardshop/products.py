"""What the shop sells."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Where goods come from: a card key is given to the buyer, a top-up goes straight into the game account (直充)."""

    CARD = "card"
    TOPUP = "topup"


@dataclass(frozen=True)
class Product:
    """One thing to buy: one card, or one top-up, answers one order."""

    key: str
    price_fen: int
    zh: str
    en: str
    kind: Kind = Kind.CARD


PRODUCTS = {
    product.key: product
    for product in (
        Product("card_10", 1000, "10 元游戏点卡", "Game card, 10 yuan"),
        Product("card_50", 5000, "50 元游戏点卡", "Game card, 50 yuan"),
        Product("card_100", 10000, "100 元游戏点卡", "Game card, 100 yuan"),
        Product("topup_6", 600, "6 元直充", "Direct top-up, 6 yuan", Kind.TOPUP),
        Product("topup_30", 3000, "30 元直充", "Direct top-up, 30 yuan", Kind.TOPUP),
        Product("topup_98", 9800, "98 元直充", "Direct top-up, 98 yuan", Kind.TOPUP),
    )
}
CARDS = tuple(key for key, product in PRODUCTS.items() if product.kind is Kind.CARD)


def on_sale(games: Collection[str]) -> dict[str, Product]:
    """What can be bought: top-ups only where there is a game server to ask."""
    return {key: product for key, product in PRODUCTS.items() if product.kind is Kind.CARD or games}
