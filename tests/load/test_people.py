import pytest

from load.people import person
from targets.storefront import Person


@pytest.mark.parametrize(
    ("seed", "key", "name"),
    [
        (7, "b00000000", "靳婷婷"),
        (7, "b00000001", "岳洁"),
        (7, "b00000042", "高建华"),
        (7, "b00000042.2", "陈秀云"),
        (7, "b00999999", "陈欢"),
        (7, "w00000042", "黄雷"),
        (8, "b00000000", "高宇"),
        (8, "b00000042", "李瑜"),
    ],
)
def test_order_n_is_the_same_person_in_every_build(seed: int, key: str, name: str) -> None:
    assert person(seed, key).name == name


@pytest.mark.parametrize(
    ("key", "account"),
    [("b00000042", "player-00000042"), ("b00000042.2", "player-00000042.2"), ("w00000042", "player-w00000042")],
)
def test_the_order_key_stands_in_contact_and_account(key: str, account: str) -> None:
    found = person(7, key)
    assert found == Person(found.name, f"{key}@buyers.example", account)


def test_common_family_names_come_more_often() -> None:
    families = [person(7, f"b{n:08d}").name[0] for n in range(2000)]
    assert families.count("王") > 100 > families.count("岳")
