"""An import-linter contract that holds the table of rooms: who may import whom.

Source: import-linter, "Custom contract types".  The built-in `layers` contract orders rooms but lets a room
see everything below it; this one allows exactly what the table in ``pyproject.toml`` lists.
"""

from __future__ import annotations

from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

Table = dict[str, frozenset[str]]


def parse_rooms(lines: list[str]) -> Table:
    """Return `room -> rooms it may import` from lines such as ``check: syntax causal``.

    Raises:
        ValueError: a line has no colon, names a room twice, or imports a room that is not above it.
    """
    table: Table = {}
    for line in lines:
        room, colon, allowed = line.partition(":")
        room = room.strip()
        if not colon:
            raise ValueError(f"`{line}` is no line of the table: `room: room room ...` was expected")
        if room in table:
            raise ValueError(f"room `{room}` stands in the table twice")
        # Importing only from lines above is what makes a circle impossible.
        if unknown := set(allowed.split()) - table.keys():
            raise ValueError(f"room `{room}` imports {sorted(unknown)}, not above it in the table")
        table[room] = frozenset(allowed.split())
    return table


def find_violations(graph: ImportGraph, root: str, table: Table) -> list[str]:
    """Return one line for each import between rooms that the table does not list, and each unlisted room."""

    def room_of(module: str) -> str:
        return module.removeprefix(f"{root}.").partition(".")[0]

    rooms = {room_of(module) for module in graph.find_descendants(root)}
    found = [f"{root}.{room} stands in no line of the table" for room in sorted(rooms - table.keys())]
    for importer in sorted(graph.find_descendants(root)):
        home = room_of(importer)
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            target = room_of(imported)
            if imported.startswith(f"{root}.") and target != home and target not in table.get(home, ()):
                [first, *_] = graph.get_import_details(importer=importer, imported=imported)
                found.append(f"{importer}:{first['line_number']} imports {imported}")
    return found


class RoomsContract(Contract):
    """Rooms import only the rooms that their line of the table names.

    Options: `root`, the package; `rooms`, the table (see `parse_rooms`).
    """

    type_name = "rooms"

    root = fields.StringField()
    rooms = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Compare every import of the package with the table."""
        table = parse_rooms(cast(list[str], self.rooms))
        violations = find_violations(graph, cast(str, self.root), table)
        return ContractCheck(kept=not violations, metadata={"violations": violations})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each violation."""
        for violation in check.metadata["violations"]:
            output.print(violation)
