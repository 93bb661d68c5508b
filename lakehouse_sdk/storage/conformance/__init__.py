"""What an S3 server really does: the capability probes for `lakehouse servers check`, tests and diagnoses.

Each probe works below a prefix of its own, reads back what it wrote, and says one of three things: the server `conforms`, it
`differs` (and how), or it `refuses`. Nothing is left behind. Beside each probe stands what the SDK does about a gap.
"""

from lakehouse_sdk.storage.conformance.check import check_server, list_probes
from lakehouse_sdk.storage.conformance.report import ConformanceReport, Outcome, ProbeResult

__all__ = ["ConformanceReport", "Outcome", "ProbeResult", "check_server", "list_probes"]
