"""A circuit as one HTML file that draws itself."""

from causalcircuit.report.graph.images import PageImage
from causalcircuit.report.graph.page import page, write

__all__ = ["PageImage", "page", "write"]
