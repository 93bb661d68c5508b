"""The one retry: what the error says is tried again, as often as the policy says, and nobody tries what was tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.errors import AccessError, ConnectError, LakehouseError, StorageError
from lakehouse_sdk.retry import RetryPolicy, call_until, call_with_retry

AT_ONCE = RetryPolicy(attempts=4, first_delay_s=0)


def failing(times: int, error: Exception) -> tuple[list[int], object]:
    calls: list[int] = []

    def work(attempt: int) -> str:
        calls.append(attempt)
        if len(calls) <= times:
            raise error
        return "done"

    return calls, work


@given(times=st.integers(0, 6), attempts=st.integers(1, 5), status=st.sampled_from([400, 403, 404, 408, 429, 500, 501, 503]))
def test_it_follows_its_model(times: int, attempts: int, status: int) -> None:
    calls, work = failing(times, StorageError("no", status=status))
    passes = status in {408, 429, 500, 503}
    expected = min(times + 1, attempts) if passes else 1
    retries: list[int] = []

    def call() -> str:
        return call_with_retry(work, RetryPolicy(attempts, 0), note_retry=lambda: retries.append(1))  # type: ignore[arg-type]

    if times < expected:
        assert call() == "done"
    else:
        with pytest.raises(StorageError) as caught:
            call()
        assert caught.value.is_exhausted == passes
    assert calls == list(range(1, expected + 1))
    assert len(retries) == len(calls) - 1


def test_attempts_do_not_multiply() -> None:
    calls, work = failing(99, ConnectError("nobody"))
    with pytest.raises(ConnectError):
        call_with_retry(lambda _: call_with_retry(work, AT_ONCE), AT_ONCE)  # type: ignore[arg-type]
    assert calls == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectError("x"), True),
        (AccessError("x"), False),
        (LakehouseError("x"), False),
        (StorageError("x", status=400, code="RequestTimeout"), True),
        (StorageError("x", status=400, code="IncompleteBody"), True),
        (StorageError("x", status=400, code="InvalidArgument"), False),
        (ValueError("x"), False),
    ],
)
def test_what_may_pass_is_said_by_the_error(error: Exception, passes: bool) -> None:
    calls, work = failing(1, error)
    try:
        call_with_retry(work, AT_ONCE)  # type: ignore[arg-type]
    except type(error):
        assert not passes
    assert len(calls) == 1 + passes


def test_an_interrupted_wait_ends_it_with_the_error() -> None:
    calls, work = failing(9, ConnectError("nobody"))
    with pytest.raises(ConnectError):
        call_with_retry(work, AT_ONCE, wait=lambda _: True)  # type: ignore[arg-type]
    assert calls == [1]


@given(attempt=st.integers(1, 60), first=st.floats(0, 10), most=st.floats(0, 10))
def test_a_delay_is_within_its_bounds(attempt: int, first: float, most: float) -> None:
    assert 0 <= RetryPolicy(3, first, most).choose_delay_s(attempt) <= min(most, first * 2.0 ** (attempt - 1)) + 1e-9


def test_an_answer_that_is_not_accepted_is_asked_for_again() -> None:
    answers = iter([1, 2, 3, 4, 5])
    assert call_until(lambda: next(answers), lambda answer: answer == 3, AT_ONCE) == 3
    assert call_until(lambda: next(answers), lambda answer: answer == 9, RetryPolicy(2, 0)) == 5
