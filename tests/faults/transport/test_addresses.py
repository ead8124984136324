"""Where a proxy may listen and what it may dial; the words for what is no address are held against Toxiproxy itself."""

import pytest

from faults.transport.addresses import AddressError, NotAllowedError, dialled, listening


@pytest.mark.parametrize(
    ("text", "allowed", "address"),
    [
        ("127.0.0.1:80", (), "127.0.0.1:80"),
        ("127.9.9.9:http", (), "127.9.9.9:80"),
        ("LocalHost:", (), "127.0.0.1:0"),
        ("[::1]:+5", (), "[::1]:5"),
        ("[::ffff:127.0.0.1]:1", (), "127.0.0.1:1"),
        ("", (), "127.0.0.1:0"),
        (":8080", (), "127.0.0.1:8080"),
        (":8080", ("0.0.0.0",), "[::]:8080"),
        ("0.0.0.0:1", ("0.0.0.0",), "[::]:1"),
        ("198.51.100.7:1", ("198.51.100.7",), "198.51.100.7:1"),
        ("[2001:DB8::0]:1", ("2001:db8::",), "[2001:db8::]:1"),
        ("198.51.100.7:1", ("*",), "198.51.100.7:1"),
    ],
)
def test_this_machine_is_allowed_and_what_was_allowed(text: str, allowed: tuple[str, ...], address: str) -> None:
    assert str(listening(text, allowed)) == address


@pytest.mark.parametrize(
    "text", ["0.0.0.0:1", "[::]:1", "198.51.100.7:1", "example.com:80", "127.1:1", "2130706433:1", " 127.0.0.1:1"]
)
def test_what_lies_outside_is_refused_in_one_line(text: str) -> None:
    for of in (listening, dialled):
        with pytest.raises(NotAllowedError) as refused:
            of(text, ("192.0.2.1",))
        assert text in str(refused.value)
        assert "\n" not in str(refused.value)


def test_an_upstream_without_a_host_is_on_this_machine_whatever_is_allowed() -> None:
    assert str(dialled(":80", ("*",))) == "127.0.0.1:80"


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "::1:80", "[::1", "[::1]", "[::1]x:1", "a[:1", "a]:1", "127.0.0.1:65536", "127.0.0.1:-1",
     "localhost:9x", "localhost:" + "9" * 5000, "127.0.0.1:\x00"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        listening(text)
