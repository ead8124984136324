"""What is to be bought for an order: by the shop's own books, or by what the notice of the payment carried."""

from targets.cardshop.products import PRODUCTS
from targets.cardshop.tables import Order
from targets.cardshop.upstreams import Wanted


def told_to_channel(contact: str, product: str, region: str) -> str:
    """What goes through the channel and comes back in the notice (Epay's `param`, Alipay's `passback_params`, WeChat's
    `attach`, 128 characters at most): the contact, and what a careless shop reads from there."""
    return f"{contact};product={product};region={region}"


def wanted(order: Order, *, match_by_order: bool) -> Wanted | None:
    """The goods of an order; None where the notice does not say which, and nothing else is asked."""
    product, region = order.product, order.region
    if not match_by_order:
        told = dict(part.partition("=")[::2] for part in order.told.split(";")[1:])
        product, region = told.get("product", ""), told.get("region", "")
        if product not in PRODUCTS or not region:
            return None
    return Wanted(order.order_no, product, order.account, region, order.contact)
