"""Whether two objects are the same: ETags, hashes, what the target says.

Belongs here: comparison and verification. Must not: copying. Read `prover.Prover` first.
"""
