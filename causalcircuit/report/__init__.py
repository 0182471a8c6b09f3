"""Views of results: text for people, JSON for machines, pictures of heat maps."""

from causalcircuit.report.machine import to_json
from causalcircuit.report.pictures import pictures
from causalcircuit.report.text import to_text

__all__ = ["pictures", "to_json", "to_text"]
