"""`constraints.txt` pins the dependency closure, at the versions that the tests run on, and nothing else."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]

# The CUDA builds of torch bring these; which ones depends on the machine.
MACHINE_DEPENDENT = re.compile(r"nvidia-|cuda-|triton")


def pins() -> dict[str, str]:
    """Canonical distribution name -> pinned version."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def closure(name: str, extras: frozenset[str]) -> dict[str, str]:
    """Every distribution that `name[extras]` needs here, itself left out: name -> installed version."""
    found: dict[str, str] = {}
    waiting = [(name, extras)]
    seen = set(waiting)
    while waiting:
        current, wanted = waiting.pop()
        for line in distribution(current).requires or []:
            needed = Requirement(line)
            if needed.marker and not any(needed.marker.evaluate({"extra": e}) for e in wanted | {""}):
                continue
            child = canonicalize_name(needed.name)
            if MACHINE_DEPENDENT.match(child):
                continue
            found[child] = distribution(child).version
            step = (child, frozenset(needed.extras))
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return found


@pytest.fixture(scope="module")
def needed() -> dict[str, str]:
    return closure("causalcircuit", frozenset({"dev"}))


def test_every_needed_distribution_is_pinned_at_the_installed_version(needed: dict[str, str]) -> None:
    installed = {name: Version(version).public for name, version in needed.items()}  # 2.13.0+cpu -> 2.13.0
    pinned = pins()
    assert {name: pinned.get(name) for name in installed} == installed


def test_no_pin_is_left_over(needed: dict[str, str]) -> None:
    assert sorted(pins().keys() - needed.keys()) == []


def test_pins_name_no_build_and_no_place() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"^[^#]*[+@/]", text, re.MULTILINE)
    assert not re.search(r"^(nvidia|triton|cuda)", text, re.MULTILINE)
    assert pins()["torch"] == "2.13.0"
