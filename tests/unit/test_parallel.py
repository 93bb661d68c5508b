"""Several at once, in order, in bounded memory."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse_sdk.parallel import map_ordered, take_ahead


def test_results_come_in_the_order_of_the_items_whatever_finishes_first() -> None:
    def slow_when_even(number: int) -> int:
        time.sleep(0.01 * (1 - number % 2))
        return number

    with ThreadPoolExecutor(4) as pool:
        assert list(map_ordered(pool, slow_when_even, range(12), window=5)) == list(range(12))


def test_an_endless_input_is_taken_only_as_far_as_the_window() -> None:
    taken: list[int] = []
    endless = (taken.append(number) or number for number in itertools.count())
    with ThreadPoolExecutor(2) as pool:
        results = map_ordered(pool, lambda number: number * 2, endless, window=3)
        assert [next(results) for _ in range(4)] == [0, 2, 4, 6]
        assert len(taken) == 6
        results.close()


def test_heavy_items_are_taken_few_at_a_time() -> None:
    taken: list[int] = []
    weights = (taken.append(weight) or weight for weight in itertools.chain([1, 1, 9, 1, 9, 9], itertools.repeat(1)))
    with ThreadPoolExecutor(2) as pool:
        results = map_ordered(pool, lambda weight: weight, weights, window=10, weigh=lambda weight: weight)
        ahead = []
        for number, _ in enumerate(itertools.islice(results, 30), 1):
            ahead.append(sum(taken[number:]))
    assert max(ahead) <= 10, "what waits is less than the window, but for the last one taken"
    assert ahead[-1] == 9, "light ones are taken up to the window"


def test_an_exception_arrives_at_its_place_and_the_rest_is_cancelled() -> None:
    begun: list[int] = []
    release = threading.Event()

    def fail_at_two(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise ValueError("two")
        if number > 2:
            release.wait(5)
        return number

    with ThreadPoolExecutor(2) as pool:
        results = map_ordered(pool, fail_at_two, range(100), window=50)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(results)
        release.set()
    assert len(begun) < 50


def test_one_item_is_taken_while_another_is_worked_on() -> None:
    taken: list[int] = []
    second = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            if number == 1:
                second.set()
            yield number

    results = take_ahead(numbers())
    assert next(results) == 0
    assert second.wait(5), "the next one is taken without being asked for"
    assert len(taken) == 2, "and only that one"
    assert [*results] == [1, 2, 3, 4]


def test_what_the_items_raise_arrives_at_its_place() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    results = take_ahead(failing())
    assert next(results) == 1
    with pytest.raises(ValueError, match="two"):
        next(results)
    stopped = take_ahead(iter(range(3)))
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
