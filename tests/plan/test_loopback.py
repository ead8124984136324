"""Only this machine is contacted, linked to, or listened on without a token."""

import pytest

from plan.loopback import is_loopback, is_loopback_host


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/n", "https://127.9.9.9:8443/a?b=c", "http://[::1]:80/", "http://LOCALHOST"]
)
def test_loopback_addresses_may_be_told(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "http://127.0.0.1:80@example.com/",
        "http://127.0.0.1\\@example.com/",
        "http://localhost.example.com",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://127.0.0.256/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nX: y",
        "http://127.0.0.1/\udcff",
        "ftp://127.0.0.1/",
        "//127.0.0.1/",
        "127.0.0.1/n",
        "",
    ],
)
def test_other_addresses_may_not(url: str) -> None:
    assert not is_loopback(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_only_this_machine_reaches_a_loopback_host(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", ""])
def test_other_hosts_can_be_reached_from_outside(host: str) -> None:
    assert not is_loopback_host(host)
