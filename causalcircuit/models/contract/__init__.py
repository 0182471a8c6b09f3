"""The hook contract: an address is proven when the model is loaded, not hoped for.

Clauses about the whole model: padding changes no output beyond rounding, the model's own call without our keywords
gives the same. Clauses about a tensor: observing it changes no bit; its tap fires once; heads + bias are what the
projection gives, stream + attention + MLP the next stream, neurons and heads what the writes are made of; what is
written reaches all that reads it; its gradient agrees with a central difference; written back, its own value changes
nothing; padding does not change what it holds; noise in it moves what reads it and what comes later, at no earlier
position of a causal tower, in no other head, and nothing else; queries, keys and values each do what they must.
"""
