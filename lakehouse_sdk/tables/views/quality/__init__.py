"""How good what was built is: read from the books, summed up, shown.

Belongs here: the report on quality. Must not: judging rows (`rules`), writing the books (`books`). Read `QualityReport` first.
"""

from lakehouse_sdk.tables.views.quality.read import read_quality
from lakehouse_sdk.tables.views.quality.report import QualityReport

__all__ = ["QualityReport", "read_quality"]
