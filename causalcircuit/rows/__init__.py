"""Rows: reading data files, choosing and splitting rows, clusters. No torch, no pandas."""

from causalcircuit.rows.conditions import holds, is_truth
from causalcircuit.rows.dataset import Dataset
from causalcircuit.rows.files import Format, read_columns
from causalcircuit.rows.load import clusters, load, peek

__all__ = ["Dataset", "Format", "clusters", "holds", "is_truth", "load", "peek", "read_columns"]
