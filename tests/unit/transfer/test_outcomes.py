"""The store of outcomes: a sequence that is in memory at first, and in a file where it is long."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.transfer import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.model.objects import Action
from lakehouse_sdk.transfer.model.outcomes import OutcomeStore

_texts = st.text(max_size=5)
_rows = st.builds(
    PlannedObject,
    _texts,
    _texts,
    _texts,
    st.integers(0, 10**13),
    _texts,
    st.sampled_from(Action),
    _texts,
    st.none() | _texts,
    st.none() | st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
_outcomes = st.builds(
    Outcome, _rows, st.sampled_from(Status), _texts, _texts, _texts, st.none() | _texts, st.integers(0, 9), _texts
)


@given(outcomes=st.lists(_outcomes, max_size=30), memory=st.integers(1, 12))
def test_it_is_the_list_of_what_was_added(outcomes: list[Outcome], memory: int) -> None:
    store = OutcomeStore(outcomes, memory_items=memory)
    assert list(store) == list(store) == outcomes
    assert len(store) == len(outcomes)
    assert store == tuple(outcomes)
    assert store != (*outcomes, "more")
    assert store[:] == tuple(outcomes)
    assert store[1:7:2] == tuple(outcomes[1:7:2])
    assert store[::-1] == tuple(outcomes[::-1])
    assert [store[at] for at in range(-len(outcomes), len(outcomes))] == outcomes * 2
    assert {status: count for status, count in store.counts.items() if count} == {
        status: sum(one.status is status for one in outcomes) for status in {one.status for one in outcomes}
    }
    assert store.bytes_done == sum(one.row.size_bytes for one in outcomes if one.status is Status.DONE)
    assert pickle.loads(pickle.dumps(store)) == store


def test_many_are_in_a_file_and_few_are_not() -> None:
    few = [Outcome(PlannedObject(f"k{i}", f"k{i}", f"k{i}", 1), Status.DONE) for i in range(10)]
    assert OutcomeStore(few).spilled_bytes == 0
    assert OutcomeStore(few, memory_items=4).spilled_bytes > 0


def test_a_place_that_is_not_there() -> None:
    with pytest.raises(IndexError, match="none at 3"):
        OutcomeStore()[3]
