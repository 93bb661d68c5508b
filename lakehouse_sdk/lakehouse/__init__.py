"""The façade that a person holds, and the composition root: settings, credentials and observers go down from here.

Belongs here: handing what a stage needs to the stage. Must not: doing a stage's work, globals. Read `connect` first, then
`Lakehouse`.

The stages load when they are first used, so that connecting costs no more than reading the settings.
"""

from lakehouse_sdk.lakehouse.facade import Lakehouse
from lakehouse_sdk.lakehouse.opening import connect, local

__all__ = ["Lakehouse", "connect", "local"]
