"""Which of many metadata files is the newest state of a table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.tables.iceberg.care.recovery import MetadataFile, choose_newest


def _file(name: str, previous: tuple[str, ...], *, sequence: int = 1, updated: int = 0, uuid: str = "t") -> MetadataFile:
    return MetadataFile(name, uuid, sequence, updated, previous, 0)


def _chain(length: int, *, log: int = 50, tags: frozenset[int] = frozenset(), uuid: str = "t") -> list[MetadataFile]:
    """A history: each commit follows the one before it; a tag changes neither number nor time."""
    names = [f"{uuid}{number}" for number in range(length)]
    files, sequence = [], 0
    for number, name in enumerate(names):
        sequence += number not in tags
        files.append(
            _file(name, tuple(names[max(0, number - log) : number]), sequence=sequence, updated=sequence * 10, uuid=uuid)
        )
    return files


@given(
    length=st.integers(1, 12),
    losers=st.lists(st.integers(0, 12), max_size=4),
    gone=st.integers(0, 5),
    tags=st.frozensets(st.integers(1, 12)),
)
def test_the_end_of_the_chain_is_found_whatever_losers_left(
    length: int, losers: list[int], gone: int, tags: frozenset[int]
) -> None:
    """Losers follow any state but the last; they are later and say the same number. Old files have been deleted."""
    chain = _chain(length, tags=tags)
    outrun = [
        _file(f"loser{i}", (*chain[at].previous, chain[at].path), sequence=99, updated=10**6)
        for i, at in enumerate(losers)
        if at < length - 2
    ]
    best, rivals = choose_newest([*outrun, *chain[min(gone, length - 1) :]])
    assert best is chain[-1]
    assert not rivals


def test_a_commit_that_was_killed_before_the_catalogue_took_it_is_a_whole_state() -> None:
    chain = _chain(3)
    killed = _file("killed", tuple(file.path for file in chain), sequence=4, updated=99)
    assert choose_newest([killed, *chain]) == (killed, [])


def test_of_two_that_follow_the_same_state_the_later_wins_and_the_other_is_named() -> None:
    chain = _chain(3)
    early = _file("early", ("t0", "t1"), sequence=3, updated=25)
    assert choose_newest([early, *chain]) == (chain[-1], [early])


def test_a_table_that_was_made_anew_in_the_same_place_is_another_one() -> None:
    old = _chain(5, uuid="old")
    new = [_file("new0", (), updated=1000, uuid="new"), _file("new1", ("new0",), updated=1001, uuid="new")]
    assert choose_newest([*old, *new]) == (new[-1], [])


def test_who_lost_the_race_to_create_a_table_left_an_empty_one() -> None:
    chain = _chain(3)
    empty = _file("empty", (), sequence=0, updated=5, uuid="other")
    assert choose_newest([empty, *chain]) == (chain[-1], [])
