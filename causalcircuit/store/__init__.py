"""What is kept between runs, by the hash of what it was made from."""

from importlib import import_module
from typing import TYPE_CHECKING

from causalcircuit.store.proofs import recall, remember

if TYPE_CHECKING:
    from causalcircuit.store.cleaning import Cleaned, Wanted, clean, measure
    from causalcircuit.store.entries import checksum, get, put
    from causalcircuit.store.files import Files
    from causalcircuit.store.ledger import Ledger
    from causalcircuit.store.outcomes import DIGEST, Known, Outcomes, Total
    from causalcircuit.store.place import store_folder
    from causalcircuit.store.records import begin, ended, read_record, read_records, write_record

__all__ = [
    "DIGEST",
    "Cleaned",
    "Files",
    "Known",
    "Ledger",
    "Outcomes",
    "Total",
    "Wanted",
    "begin",
    "checksum",
    "clean",
    "ended",
    "get",
    "measure",
    "put",
    "read_record",
    "read_records",
    "recall",
    "remember",
    "store_folder",
    "write_record",
]

_HOME = {
    **dict.fromkeys(("Cleaned", "Wanted", "clean", "measure"), "cleaning"),
    **dict.fromkeys(("checksum", "get", "put"), "entries"),
    **dict.fromkeys(("DIGEST", "Known", "Outcomes", "Total"), "outcomes"),
    **dict.fromkeys(("begin", "ended", "read_record", "read_records", "write_record"), "records"),
    "Files": "files",
    "Ledger": "ledger",
    "store_folder": "place",
}


def __getattr__(name: str) -> object:
    """Fetch a name that needs SQLite or numpy when it is first used (PEP 562).

    Raises:
        AttributeError: `name` is not public.
    """
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"causalcircuit.store.{_HOME[name]}"), name)
    globals()[name] = value
    return value
