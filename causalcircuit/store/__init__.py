"""What is kept between runs, by the hash of what it was made from."""

from causalcircuit.store.proofs import recall, remember

__all__ = ["recall", "remember"]
