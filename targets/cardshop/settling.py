"""The gateway says that an order is paid, by a notice or when asked: what follows from it."""

from dataclasses import dataclass, replace
from enum import Enum, auto

from targets.cardshop import delivering
from targets.cardshop.database import DATABASE_AWAY
from targets.cardshop.gateway import GatewayError, Notice, NoticeFault, Payment
from targets.cardshop.profiles import Profile
from targets.cardshop.shop import Shop
from targets.cardshop.states import ENDED_UNPAID, REFUND_ODD, UNPAID, Code, State
from targets.cardshop.tables import Order


class Outcome(Enum):
    """What a payment means for its order."""

    DELIVER = auto()
    REPEAT = auto()
    TOO_LATE = auto()
    REFUND = auto()
    WRONG_AMOUNT = auto()
    NO_SUCH_ORDER = auto()


@dataclass(frozen=True)
class Reply:
    """Whether a notice is answered as taken, and what to deliver once the answer is on its way."""

    is_taken: bool
    deliver_after: tuple[Order, Payment] | None = None


SUCCESS, FAIL = Reply(True), Reply(False)


def judge(order: Order | None, payment: Payment, *, channel: str, profile: Profile) -> Outcome:
    """What to do about a payment, from the order as it was read."""
    if order is None or order.channel != channel:
        return Outcome.NO_SUCH_ORDER
    is_late = order.state in ENDED_UNPAID
    if not is_late and order.state not in UNPAID:
        return Outcome.REPEAT
    if profile.verify_amount and payment.fen != order.price_fen and not (is_late and profile.compensate_late):
        return Outcome.WRONG_AMOUNT
    if not is_late or (order.state is State.EXPIRED and profile.query_before_expiry and payment.fen == order.price_fen):
        return Outcome.DELIVER
    return Outcome.REFUND if profile.compensate_late and payment.fen else Outcome.TOO_LATE


def in_yuan(order: Order | None, payment: Payment, profile: Profile) -> Payment:
    """The payment; a tolerant reader takes exactly a hundred prices for one price told in fen."""
    is_in_fen = profile.tolerant_reader and order is not None and payment.fen == 100 * order.price_fen
    return replace(payment, fen=order.price_fen) if is_in_fen and order is not None else payment


async def receive(shop: Shop, channel: str, notice: Notice) -> Reply:
    """The answer to a notice; raises one of DATABASE_AWAY where the order could not be read or delivered in time."""
    try:
        read = await shop.gateways[channel].read_notice(notice)
    except GatewayError as error:
        delivering.LOG.warning("notice of %s: not read (%s)", channel, error.code)
        return FAIL
    match read:
        case NoticeFault.BAD_SIGNATURE:
            number = notice.query.get("out_trade_no") or notice.form.get("out_trade_no", "")
            await shop.store.note(number, Code.BAD_NOTICE_SIGNATURE, at=shop.now())
            return FAIL
        case NoticeFault.NO_PAYMENT:
            return SUCCESS
        case NoticeFault.WRONG_MERCHANT | NoticeFault.NOT_PAID:
            return FAIL
        case Payment() as payment:
            return await _answer(shop, channel, payment)


async def _answer(shop: Shop, channel: str, payment: Payment) -> Reply:
    order = await shop.lookups.find(payment.order_no)
    payment = in_yuan(order, payment, shop.profile)
    match judge(order, payment, channel=channel, profile=shop.profile):
        case Outcome.NO_SUCH_ORDER:
            return FAIL
        case Outcome.WRONG_AMOUNT:
            await _note_amount(shop, payment)
            return FAIL
        case Outcome.TOO_LATE | Outcome.REPEAT:
            # An expired order is paid and forgotten: paid but 已过期, dujiao-next#108, sub2api#6525.
            return SUCCESS
        case Outcome.REFUND:
            assert order is not None
            await _send_back(shop, order, payment, _why_too_late(order))
            return SUCCESS
        case Outcome.DELIVER:
            assert order is not None
            if not shop.profile.ack_after_commit:
                return Reply(True, deliver_after=(order, payment))
            return SUCCESS if await delivering.deliver(shop, order, payment) else FAIL


async def deliver_behind(shop: Shop, order: Order, payment: Payment) -> None:
    """Deliver what is already acknowledged. Where the database is away the goods are lost, and a line says so."""
    # The defect of answering first: "acknowledged, no goods" with a locked database, measured (docs/stalls.md, 3).
    try:
        await delivering.deliver(shop, order, payment)
    except DATABASE_AWAY as error:
        delivering.LOG.error("order %s: acknowledged but not delivered: %s", order.order_no, type(error).__name__)


async def settle_asked(shop: Shop, channel: str, payment: Payment) -> None:
    """What the gateway said when it was asked counts as much as a notice, and nobody waits for an answer."""
    order = await shop.lookups.find(payment.order_no)
    payment = in_yuan(order, payment, shop.profile)
    match judge(order, payment, channel=channel, profile=shop.profile):
        case Outcome.DELIVER:
            assert order is not None
            await delivering.deliver(shop, order, payment)
        case Outcome.WRONG_AMOUNT if shop.profile.compensate_late and payment.fen:
            # A notice may err about the amount; the gateway's own books do not.
            assert order is not None
            await _send_back(shop, order, payment, Code.AMOUNT_MISMATCH)
        case Outcome.WRONG_AMOUNT:
            await _note_amount(shop, payment)
        case Outcome.REFUND:
            assert order is not None
            await _send_back(shop, order, payment, _why_too_late(order))
        case Outcome.NO_SUCH_ORDER | Outcome.TOO_LATE | Outcome.REPEAT:
            pass


async def _send_back(shop: Shop, order: Order, payment: Payment, code: Code) -> None:
    """A payment that no goods will come for starts on its way back at once."""
    now = shop.now()
    await shop.store.start(
        REFUND_ODD,
        order,
        at=now,
        due=now,
        trade_no=payment.trade_no,
        paid_fen=payment.fen,
        paid_at=now,
        tries=0,
        code=code.value,
    )
    shop.poke()


def _why_too_late(order: Order) -> Code:
    return Code.EXPIRED if order.state is State.EXPIRED else Code.CANCELLED


async def _note_amount(shop: Shop, payment: Payment) -> None:
    values = {} if payment.fen is None else {"paid_fen": payment.fen}
    await shop.store.note(payment.order_no, Code.AMOUNT_MISMATCH, at=shop.now(), **values)
