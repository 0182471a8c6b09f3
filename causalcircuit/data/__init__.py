"""Rows: reading data files, choosing and splitting rows, clusters. No torch, no pandas."""

from causalcircuit.data.dataset import Dataset
from causalcircuit.data.files import Format, read_columns
from causalcircuit.data.load import clusters, load, peek

__all__ = ["Dataset", "Format", "clusters", "load", "peek", "read_columns"]
