"""What is kept between runs, by the hash of what it was made from."""

from typing import TYPE_CHECKING

from causalcircuit._faces import fetched
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

__getattr__ = fetched(__name__, _HOME)
