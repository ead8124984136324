"""What the catalogue says a dialect tells (moments, money as texts, states that are reached), the dialect says too."""

from importlib import import_module
from types import ModuleType

import pytest

from faults.catalog import WITH_FIELDS, catalog
from mocks.mangle import Schema
from plan.dialects import STUB

MODULES = {
    "epay": ("payment.epay", "payment.epay_family"),
    "epay_v2": ("payment.epay_v2", "payment.epay_family"),
    "vmq": ("payment.vmq",),
    "alipay": ("payment.alipay_answers", "payment.alipay_told"),
    "wechat": ("payment.wechat_fields",),
    "sharedstore": ("supplier.sharedstore_native", "supplier.sharedstore_mcy"),
    "fulu": ("supplier.fulu_texts",),
    "kakayun": ("supplier.kakayun",),
    "topup": ("game.topup",),
    "fazer": ("game.fazer",),
    "command_queue": ("game.command_queue",),
}
"""Where each dialect says what its answers and notices are made of."""


def schemas_in(module: ModuleType) -> list[Schema]:
    found: list[Schema] = []
    for value in vars(module).values():
        held = value.values() if isinstance(value, dict) else (value,)
        found += [one for one in held if isinstance(one, Schema)]
    return found


def schemas_of(dialect: str) -> list[Schema]:
    return [schema for name in MODULES[dialect] for schema in schemas_in(import_module(f"mocks.{name}"))]


def test_every_dialect_with_fields_says_what_they_are() -> None:
    assert set(MODULES) == WITH_FIELDS.keys() - {STUB}
    assert all(schemas_of(dialect) for dialect in MODULES)


@pytest.mark.parametrize("dialect", MODULES)
def test_a_state_can_flap_in_every_dialect(dialect: str) -> None:
    assert any(schema.flaps for schema in schemas_of(dialect))


@pytest.mark.parametrize("dialect", MODULES)
def test_moments_can_be_told_otherwise_just_where_the_catalogue_says_so(dialect: str) -> None:
    is_legal = dialect in catalog()["ver.date_format"].dialects
    assert any(schema.dates for schema in schemas_of(dialect)) is is_legal


@pytest.mark.parametrize("dialect", MODULES)
def test_amounts_can_be_written_otherwise_just_where_the_catalogue_says_so(dialect: str) -> None:
    is_legal = dialect in catalog()["ver.decimals"].dialects
    assert any(schema.money and not schema.in_fen for schema in schemas_of(dialect)) is is_legal
