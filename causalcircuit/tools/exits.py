"""What the exit codes of `cq` mean."""

OK = 0
NOT_SUPPORTED = 1
BEFORE = 2
"""A diagnostic before the first forward pass, or a command line that is none."""
AFTER = 3
"""A diagnostic after the first forward pass."""
INTERNAL = 70
"""A fault of CausalCircuit itself (EX_SOFTWARE of sysexits.h)."""
INTERRUPTED = 130
BROKEN_PIPE = 141
"""The reader of the output is gone: 128 + SIGPIPE, as other programs of a pipeline report it."""
