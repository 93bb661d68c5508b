"""The values of a transfer that everybody holds: objects planned, their outcomes, the report, the run, the way to stop it.

Belongs here: values, and the handle of a run, which knows no more than how to call what it was given. Must not: requests,
plans. Read `objects.PlannedObject` first, then `objects.Outcome`.
"""
