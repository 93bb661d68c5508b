"""Events are plain values that anybody may keep."""

from __future__ import annotations

import dataclasses
import pickle
from typing import get_args

import pytest

from lakehouse_sdk.events import Event, Observer, StageProgress, StageStarted, ignore_events


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_is_frozen_and_documents_each_field(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    for field in dataclasses.fields(kind):
        assert f"{field.name}:" in (kind.__doc__ or "")


def test_an_event_cannot_be_changed_and_can_be_sent() -> None:
    event = StageProgress("copy", 3, 4096)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.done_objects = 4  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(event)) == event


def test_any_callable_observes() -> None:
    seen: list[Event] = []
    observer: Observer = seen.append
    observer(StageStarted("copy", "a → b"))
    ignore_events(seen[0])
    assert seen == [StageStarted("copy", "a → b")]
