"""Who carries out rows of a plan: one seam, and who stands behind it.

Belongs here: the `Runner` protocol, `s5cmd` (large files up and down), `native` (own signed requests: small files, copies in a
server, what s5cmd cannot do), `stream` (between two servers), `files`. Must not: choosing a strategy, believing an outcome
(`verify`). Read `Runner` first, then `run_in_turn`.
"""

from lakehouse_sdk.transfer.runners.choice import carry_files
from lakehouse_sdk.transfer.runners.files import FileRunner
from lakehouse_sdk.transfer.runners.native import NativeRunner
from lakehouse_sdk.transfer.runners.protocol import Direction, Leg, Outcomes, Runner, run_in_turn
from lakehouse_sdk.transfer.runners.s5cmd import S5cmdRunner
from lakehouse_sdk.transfer.runners.stream import StreamRunner

__all__ = [
    "Direction",
    "FileRunner",
    "Leg",
    "NativeRunner",
    "Outcomes",
    "Runner",
    "S5cmdRunner",
    "StreamRunner",
    "carry_files",
    "run_in_turn",
]
