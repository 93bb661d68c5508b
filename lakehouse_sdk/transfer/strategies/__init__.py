"""How bytes travel between two ends.

Belongs here: which legs a transfer is made of, which runners walk them, and when one of them fits. Must not: requests or
processes (`runners`). Read `choose_strategy` first.

`direct`: one leg. Inside one server no byte passes this machine; to or from a local folder each passes once. `staged`: two
legs through a capped temporary folder, for two servers.
"""

from lakehouse_sdk.transfer.strategies.choice import Choice, Strategy, StrategyName, choose_strategy
from lakehouse_sdk.transfer.strategies.direct import DirectStrategy
from lakehouse_sdk.transfer.strategies.staged import StagedStrategy

__all__ = ["Choice", "DirectStrategy", "StagedStrategy", "Strategy", "StrategyName", "choose_strategy"]
