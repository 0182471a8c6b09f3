"""Methods of attribution, one a file; each registers itself.

A method gives every wire (or every node) a score on every row. Another one is another file here, or an entry point in
the group `causalcircuit.attribution`.
"""

from causalcircuit.attribution.methods import eap, eap_ig, exact, gradcam_pp, relp  # noqa: F401  register themselves
from causalcircuit.attribution.methods.registry import METHODS, Scored, method

__all__ = ["METHODS", "Scored", "method"]
