"""Methods of attribution, one a file; each registers itself.

A method gives every wire (or every node) a score on every row. Another one is another file here, or an entry point in
the group `causalcircuit.attribution`.
"""

from causalcircuit.attribution.methods import (  # noqa: F401  register themselves
    atp,
    atp_star,
    eap,
    eap_ig,
    eap_ig_activations,
    exact,
    exact_nodes,
    gradcam_pp,
    ifr,
    relp,
)
from causalcircuit.attribution.methods.registry import METHODS, Scored, method

__all__ = ["METHODS", "Scored", "method"]
