"""Where bytes rest: embedded servers for one machine.

Belongs here: finding, building, starting, probing and stopping MinIO and the Prefect server. Must not: requests to them
beyond the health probe.
"""
