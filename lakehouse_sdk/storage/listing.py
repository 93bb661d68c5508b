"""Large listings, several requests at once, results in the order of the keys.

S3 hands out a listing a page at a time, and the next page's address is in the page before. Where a listing turns out to be
large, its "folders" are asked for (one request for a thousand), and listed side by side: a large folder by itself, small ones
by the stretch. A listing that has no folders, or is not in order, is read page after page.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from operator import lt

from lakehouse_sdk.errors import StorageError
from lakehouse_sdk.storage.answers import ListingPage, ObjectInfo

_PAGE = 1000
_STRETCH_KEYS = 4 * _PAGE
"""What is asked for as one stretch of small folders; its last page reads beyond its end, by half a page on average."""
_OWN_LISTING_KEYS = _PAGE // 4
"""Folders with so many keys on average are listed each by itself."""
_LAST = "\U0010ffff"

Fetch = Callable[[Mapping[str, str]], ListingPage]
Objects = tuple[ObjectInfo, ...]


class ListingOrderError(StorageError):
    """A server does not list in the order of keys, or does not start where it is told; read its pages one after the other."""


@dataclass(slots=True)
class _Flat:
    """All keys below `prefix`, from `first` (inclusive) to `below` (exclusive) where given, after the key `after`."""

    prefix: str
    after: str = ""
    first: str = ""
    below: str = ""
    token: str = ""
    pages: int = 0
    folders: int = 0
    """How many folders it was meant to hold."""
    future: Future[ListingPage] | None = None

    def to_query(self) -> dict[str, str]:
        query = {"prefix": self.prefix}
        start = self.after or (_just_before(self.first) if self.first else "")
        if self.token:
            query["continuation-token"] = self.token
        elif start:
            query["start-after"] = start
        return query


@dataclass(slots=True)
class _Level:
    """What lies directly below `prefix` behind the folder `folder`."""

    prefix: str
    folder: str
    token: str = ""
    future: Future[ListingPage] | None = None

    def to_query(self) -> dict[str, str]:
        query = {"prefix": self.prefix, "delimiter": "/"}
        query |= {"continuation-token": self.token} if self.token else {"start-after": self.folder}
        return query


@dataclass(slots=True)
class _Children:
    """Folders and objects of a level that nobody has asked for yet, in order; objects are known already."""

    prefix: str
    names: deque[str]
    objects: dict[str, ObjectInfo]


@dataclass(slots=True)
class _Known:
    """Objects that wait for their turn."""

    objects: Objects


_Node = _Flat | _Level | _Children | _Known


@dataclass(slots=True)
class ParallelListing:
    """Iterate once over pages of all objects below a prefix, in the order of their keys; memory is bounded.

    Attributes:
        fetch: Sends one ListObjectsV2 with these parameters.
        prefix: Where to begin.
        at_once: Requests under way at once, and pages held at most.
    """

    fetch: Fetch
    prefix: str
    at_once: int = 8
    _pool: ThreadPoolExecutor | None = None
    _keys_per_folder: float = 0.0
    _queue: deque[_Node] = field(default_factory=deque)
    _split: bool = False

    def __iter__(self) -> Iterator[Objects]:
        start = _Flat(self.prefix)
        page = self.fetch(start.to_query())
        if not page.next_token:
            yield page.objects
            return
        with ThreadPoolExecutor(self.at_once, thread_name_prefix="lakehouse-list") as pool:
            self._pool = pool
            try:
                yield from self._take_flat(start, page)
                while self._queue:
                    self._schedule()
                    yield from self._take(self._queue.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _take(self, node: _Node) -> Iterator[Objects]:
        if isinstance(node, _Known):
            yield node.objects
        elif isinstance(node, _Flat | _Level):
            assert node.future is not None  # noqa: S101 (scheduled before it is taken)
            page = node.future.result()
            yield from self._take_flat(node, page) if isinstance(node, _Flat) else self._take_level(node, page)

    def _take_flat(self, node: _Flat, page: ListingPage) -> Iterator[Objects]:
        in_order = all(map(lt, map(_key, page.objects), map(_key, page.objects[1:])))
        if self._split and not in_order:
            raise ListingOrderError(f"The listing of {node.prefix!r} is not in order.")
        objects, ended = _trim(page.objects, node), False
        if node.below and page.objects and page.objects[-1].key >= node.below:
            ended = True
        if page.next_token and page.next_token == node.token:
            raise StorageError(f"The listing of {node.prefix!r} repeats itself.", hint="The server does not page as S3 does.")
        if not page.next_token or ended:
            self._learn(node, len(objects) + node.pages * _PAGE)
        else:
            self._queue.extendleft(reversed(self._go_on(node, page, in_order=in_order)))
            self._schedule()  # before the caller works on the objects
        yield objects

    def _go_on(self, node: _Flat, page: ListingPage, *, in_order: bool) -> list[_Node]:
        """What comes behind a page that is not the last one."""
        following = _Flat(node.prefix, node.after, node.first, node.below, page.next_token, node.pages + 1, node.folders)
        if node.below or not page.objects:
            return [following]
        keys = [info.key for info in page.objects]
        folder = _folder_of(keys[-1], node.prefix)
        if not folder or not in_order:
            return [following]
        self._split = True
        folders = len({_folder_of(key, node.prefix) for key in keys})
        if not self._keys_per_folder:
            self._keys_per_folder = len(keys) / folders
        return [_Flat(folder, keys[-1]), _Level(node.prefix, folder)]

    def _take_level(self, node: _Level, page: ListingPage) -> Iterator[Objects]:
        objects = {info.key: info for info in page.objects if info.key > node.folder}
        names = sorted([*objects, *(name for name in page.prefixes if name > node.folder)])
        if page.next_token:
            if page.next_token == node.token:
                raise StorageError(f"The listing of {node.prefix!r} repeats itself.")
            self._queue.appendleft(_Level(node.prefix, node.folder, page.next_token))
        if names:
            self._queue.appendleft(_Children(node.prefix, deque(names), objects))
        self._schedule()
        return iter(())

    def _schedule(self) -> None:
        """Send the requests of the nodes at the head of the queue, as many as may be under way."""
        assert self._pool is not None  # noqa: S101 (only large listings are scheduled)
        at, busy = 0, 0
        while at < len(self._queue) and busy < self.at_once:
            node = self._queue[at]
            if isinstance(node, _Children):
                taken = self._next_child(node)
                self._queue.insert(at, taken)
                if not node.names:
                    del self._queue[at + 1]
                node = taken
            if isinstance(node, _Flat | _Level) and node.future is None:
                node.future = self._pool.submit(self.fetch, node.to_query())
            at, busy = at + 1, busy + 1

    def _next_child(self, children: _Children) -> _Flat | _Known:
        """The next folder, stretch of small folders, or run of objects."""
        names = children.names
        if names[0] in children.objects:
            known = []
            while names and names[0] in children.objects:
                known.append(children.objects[names.popleft()])
            return _Known(tuple(known))
        count = int(_STRETCH_KEYS / max(self._keys_per_folder, 1.0))
        if self._keys_per_folder >= _OWN_LISTING_KEYS or count < 2 or len(names) < 2:
            return _Flat(names.popleft(), folders=1)
        taken = list(islice(names, count))
        for _ in taken:
            names.popleft()
        return _Flat(children.prefix, first=taken[0], below=_just_behind(taken[-1]), folders=len(taken))

    def _learn(self, node: _Flat, keys: int) -> None:
        """How many keys a folder has, as the last few tell."""
        if node.folders:
            self._keys_per_folder += (keys / node.folders - self._keys_per_folder) / 4


def _trim(objects: Objects, node: _Flat) -> Objects:
    """Only what belongs to the stretch; servers read beyond it."""
    if objects and node.after and not node.token and objects[0].key <= node.after:
        raise ListingOrderError(f"The listing of {node.prefix!r} does not start after {node.after!r}.")
    low = bisect_left(objects, node.first, key=_key) if node.first else 0
    high = bisect_left(objects, node.below, key=_key) if node.below else len(objects)
    return objects if high - low == len(objects) else objects[low:high]


def _key(info: ObjectInfo) -> str:
    return info.key


def _folder_of(key: str, prefix: str) -> str:
    """The folder directly below `prefix` that holds `key`; empty where it lies beside the folders."""
    end = key.find("/", len(prefix))
    return key[: end + 1] if end >= 0 else ""


def _just_before(folder: str) -> str:
    """A name behind which a folder begins: what sorts in between is cut off by `_trim`."""
    return f"{folder[:-1]}.{_LAST}"


def _just_behind(name: str) -> str:
    """The first name that neither is `name` nor, where that is a folder, lies in it."""
    return f"{name[:-1]}0" if name.endswith("/") else f"{name}\0"
