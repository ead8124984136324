import pytest

from mocks.ports import Ports, own_first


@pytest.mark.parametrize("ports", [Ports(4100), Ports(4100, {"city": 41234, "farm": 41235})])
def test_a_port_file_says_which_instance_listens_where(ports: Ports) -> None:
    assert Ports.read(ports.written()) == ports


def test_a_process_with_one_port_writes_nothing_but_that() -> None:
    assert Ports(4100).written() == "4100\n"


@pytest.mark.parametrize(("http", "own"), [(0, 0), (4102, 4112)])
def test_ports_of_their_own_keep_clear_of_the_other_roles(http: int, own: int) -> None:
    assert own_first(http) == own
