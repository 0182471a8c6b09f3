"""Rows: reading data files, choosing and splitting rows, clusters. No torch, no pandas."""

from causalcircuit.rows.conditions import holds, is_truth, kind_of
from causalcircuit.rows.dataset import Dataset
from causalcircuit.rows.files import Format, read_columns
from causalcircuit.rows.load import clusters, load, peek
from causalcircuit.rows.saved import cached_folder

__all__ = [
    "Dataset",
    "Format",
    "cached_folder",
    "clusters",
    "holds",
    "is_truth",
    "kind_of",
    "load",
    "peek",
    "read_columns",
]
