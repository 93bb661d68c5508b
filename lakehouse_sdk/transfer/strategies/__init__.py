"""How bytes travel between two ends.

Belongs here: which legs a transfer is made of, which runners walk them, and when one of them fits. Must not: requests or
processes (`runners`). Read `choose_strategy` first.

`direct`: one leg. Inside one server no byte passes this machine; to or from a local folder each passes once.
`streaming`: between two servers through this machine's memory. `staged`: two legs through a capped temporary folder, for what
the others cannot do.
"""

from lakehouse_sdk.transfer.strategies.choice import Choice, Strategy, choose_strategy, plan_fallbacks
from lakehouse_sdk.transfer.strategies.direct import DirectStrategy
from lakehouse_sdk.transfer.strategies.fallback import FallbackRun
from lakehouse_sdk.transfer.strategies.staged import StagedStrategy
from lakehouse_sdk.transfer.strategies.streaming import StreamingStrategy

__all__ = [
    "Choice",
    "DirectStrategy",
    "FallbackRun",
    "StagedStrategy",
    "Strategy",
    "StreamingStrategy",
    "choose_strategy",
    "plan_fallbacks",
]
