"""Prefect flows: each stage a task, the main job a flow; the only importer of prefect.

Belongs here: names, retries, artifacts and cancellation of runs. Must not: what a stage does (`jobs`). Read `collect_and_build`
first.

Importing this package imports Prefect (about a second), and Prefect reads `PREFECT_*` variables at that moment.
"""

from lakehouse_sdk.extras import needs_extra

with needs_extra():
    from lakehouse_sdk.flows.artifacts import link_report
    from lakehouse_sdk.flows.collect_and_build import collect_and_build
    from lakehouse_sdk.flows.pending import send_pending
    from lakehouse_sdk.flows.report import RunReport

__all__ = ["RunReport", "collect_and_build", "link_report", "send_pending"]
