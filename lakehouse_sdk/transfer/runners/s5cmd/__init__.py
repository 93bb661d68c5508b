"""s5cmd, the process and nothing but the process: found, fed, read, ended.

Belongs here: the program, its lines and answers, what it cannot do. Must not: deciding what to copy or believing it. Read
`S5cmdRunner` first.
"""

from lakehouse_sdk.transfer.runners.s5cmd.program import find_s5cmd
from lakehouse_sdk.transfer.runners.s5cmd.runner import S5cmdRunner

__all__ = ["S5cmdRunner", "find_s5cmd"]
