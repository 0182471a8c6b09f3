"""The contract that holds the table of rooms, on import graphs written by hand."""

import re

import pytest
from grimp import ImportGraph

from repotools.rooms import find_violations, parse_rooms

TABLE = parse_rooms(["diagnostics:", "syntax: diagnostics", "check: diagnostics syntax"])


def graph(*imports: tuple[str, str]) -> ImportGraph:
    """A package `p` with the given imports, each at line 3 of its importer."""
    result = ImportGraph()
    result.add_module("p")
    for importer, imported in imports:
        result.add_module(importer)
        result.add_module(imported)
        result.add_import(importer=importer, imported=imported, line_number=3, line_contents="import")
    return result


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("syntax diagnostics", "no line of the table"),
        ("diagnostics:", "twice"),
        ("syntax: check", "not above it"),
        ("syntax: syntax", "not above it"),
    ],
)
def test_a_bad_table_is_refused(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_rooms(["diagnostics:", line])


def test_listed_imports_and_imports_within_a_room_pass() -> None:
    imports = graph(("p.check.rules", "p.syntax.tree"), ("p.syntax.tree", "p.syntax._lexer"), ("p.check", "torch"))
    assert find_violations(imports, "p", TABLE) == []


def test_a_back_import_is_found_with_its_line() -> None:
    imports = graph(("p.syntax.tree", "p.check"))
    assert find_violations(imports, "p", TABLE) == ["p.syntax.tree:3 imports p.check"]


def test_a_room_that_the_table_lacks_is_found() -> None:
    imports = graph(("p.attic.old", "p.syntax"))
    assert find_violations(imports, "p", TABLE) == [
        "p.attic stands in no line of the table",
        "p.attic.old:3 imports p.syntax",
    ]
