"""What the shop sells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """A kind of card: one card of it answers one order."""

    key: str
    price_fen: int
    zh: str
    en: str


PRODUCTS = {
    product.key: product
    for product in (
        Product("card_10", 1000, "10 元游戏点卡", "Game card, 10 yuan"),
        Product("card_50", 5000, "50 元游戏点卡", "Game card, 50 yuan"),
        Product("card_100", 10000, "100 元游戏点卡", "Game card, 100 yuan"),
    )
}
