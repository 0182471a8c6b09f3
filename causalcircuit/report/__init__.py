"""Views of results: text for people, JSON for machines."""

from causalcircuit.report.machine import to_json
from causalcircuit.report.text import to_text

__all__ = ["to_json", "to_text"]
