"""`import causalcircuit` offers its names lazily, and each of them exists."""

import pytest

import causalcircuit


@pytest.mark.parametrize("name", causalcircuit.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(causalcircuit, name) is not None
    assert name in dir(causalcircuit)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        causalcircuit.nonsense  # noqa: B018
