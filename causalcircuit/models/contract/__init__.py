"""The hook contract: an address is proven when the model is loaded, not hoped for.

Clauses about the whole model: observing changes no bit of the output, padding changes none beyond rounding, the
model's own call without our keywords gives the same. Clauses about a tensor: its tap fires once; heads + bias are the
attention's output, and stream + attention + MLP the next stream; its gradient is connected and agrees with a central
difference; written back, its own value changes nothing; noise in it moves what comes later and nothing else.
"""
