"""`python -m causalcircuit` is `cq`."""

from causalcircuit.tools.cli import main

if __name__ == "__main__":
    main()
