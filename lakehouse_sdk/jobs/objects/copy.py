"""Copies as people ask for them: single objects under a name or into a folder, and whole trees.

Every copy is a plan of the transfer engine, so that it is verified, atomic, resumable and works between any two ends. A single
object becomes a row of its own: one request finds it, however many lie beside it, and it may take another name, which a plan
of the parent prefix with a selection could not give it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from lakehouse_sdk.config import S3Profile, Settings
from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.jobs.objects.contents import is_prefix, nothing_at
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import Action, PlanDriver, PlannedObject, TransferPlan, plan_transfer
from lakehouse_sdk.transfer.plan.names import find_folder_conflicts, find_key_obstacle
from lakehouse_sdk.uris import Address, LocalAddress, S3Address, parse_address


@dataclass(frozen=True, slots=True)
class _Object:
    """One object or file to copy; `key` is a whole key or an absolute path."""

    address: Address
    key: str
    size_bytes: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class _Tree:
    """A prefix or folder to copy; `name` is what it is called inside a folder, empty where its contents go there."""

    address: Address
    name: str


def plan_copies(
    sources: Sequence[str],
    target: str,
    *,
    settings: Settings,
    recursive: bool = False,
    observer: Observer = ignore_events,
) -> list[TransferPlan]:
    """Plans that copy each source to the target, whatever is there; run them one after the other. Nothing moves yet.

    The slashes decide, not what is at the target. A target that ends with `/` is a folder: a source appears in it under its
    own name; so it is with several sources. Any other target is the new name itself; only where it is a whole bucket or an
    existing local folder, single objects go into it. A tree whose address ends with `/` (or is a bucket, or `.`) stands for
    its contents, without its name.

    Args:
        sources: Addresses of objects and files; with `recursive`, of prefixes and folders too.
        target: Address of an object, file, prefix or folder.
        settings: Where profiles and limits come from.
        recursive: True to copy prefixes and folders with all that is in them.
        observer: Told when the plans are made and run.

    Raises:
        NotFoundError: A source is not there, or the target's bucket.
        UsageError: A prefix or folder without `recursive`; a source that is its own target; two sources with one name.
    """
    found = [_find(source, settings, recursive=recursive) for source in sources]
    several = len(found) > 1
    objects = [item for item in found if isinstance(item, _Object)]
    plans = []
    if objects:
        folder, name = _place(target, several=several)
        plans += _plan_objects(objects, folder, name, settings, observer)
    for item in found:
        if isinstance(item, _Tree):
            into = item.name if several or _is_folder_text(target) else ""
            plans.append(_plan_tree(item.address, _child(parse_address(target), into), settings, observer))
    return plans


def _is_folder_text(text: str) -> bool:
    """True where an address says by itself that it is a folder."""
    return text.rpartition("/")[2] in {"", ".", ".."}


def _find(source: str, settings: Settings, *, recursive: bool) -> _Object | _Tree:
    address = parse_address(source)
    if isinstance(address, LocalAddress):
        item = _find_file(source, address)
    else:
        item = _find_key(address, settings, recursive=recursive)
    if isinstance(item, _Tree) and not recursive:
        kind = "folder" if isinstance(address, LocalAddress) else "prefix" if address.key else "bucket"
        raise UsageError(
            f"{source} is a {kind}, not one object.", hint="Add --recursive (in Python recursive=True) for all that is in it."
        )
    return item


def _find_file(source: str, address: LocalAddress) -> _Object | _Tree:
    path = address.path
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"There is no file or folder {str(path)!r}.", hint="Check the path.") from None
    if S_ISDIR(status.st_mode):
        return _Tree(address, "" if _is_folder_text(source) else path.name)
    if not S_ISREG(status.st_mode):
        raise UsageError(f"{str(path)!r} is not a regular file.", hint="Copy files and folders only.")
    modified = datetime.fromtimestamp(status.st_mtime_ns / 1e9, UTC)
    return _Object(address, str(path), status.st_size, "", modified)


def _find_key(address: S3Address, settings: Settings, *, recursive: bool) -> _Object | _Tree:
    """With `recursive` what lies below a key comes first, without it the object of that name."""
    if not address.key or address.key.endswith("/"):
        return _Tree(address, "")
    tree = _Tree(address, address.key.rpartition("/")[2])
    with S3Client(settings.profile(address.profile)) as client:
        if recursive and is_prefix(client, address):
            return tree
        info = client.find_info(address.bucket, address.key)
        if info is not None:
            return _Object(address, info.key, info.size_bytes, info.etag, info.last_modified)
        if not recursive and is_prefix(client, address):
            return tree
    raise nothing_at(address)


def _place(target: str, *, several: bool) -> tuple[Address, str]:
    """Folder in which single objects appear, and the name there; empty where each keeps its own."""
    address = parse_address(target)
    if isinstance(address, LocalAddress):
        if several or _is_folder_text(target) or address.path.is_dir():
            return address, ""
        return LocalAddress(address.path.parent), address.path.name
    if several or not address.key or address.key.endswith("/"):
        return address, ""
    parent, slash, name = address.key.rpartition("/")
    return S3Address(address.bucket, f"{parent}{slash}", address.profile), name


def _plan_objects(
    objects: Iterable[_Object], folder: Address, name: str, settings: Settings, observer: Observer
) -> list[TransferPlan]:
    """One plan for all objects of one server."""
    named = sorted(((item, name or item.key.rpartition("/")[2]) for item in objects), key=lambda pair: _server(pair[0]))
    names = [called for _, called in named]
    if len(set(names)) < len(names):
        twice = next(called for called in names if names.count(called) > 1)
        raise UsageError(f"Two sources are called {twice!r}; one would replace the other.", hint="Copy one of them elsewhere.")
    plans = []
    for _, members in groupby(named, key=lambda pair: _server(pair[0])):
        pairs = list(members)
        for item, called in pairs:
            _check_apart(item, folder, called, settings)
        obstacles = _find_obstacles(folder, [called for _, called in pairs])
        rows = [_to_row(item, folder, called, obstacles.get(called, "")) for item, called in pairs]
        source = _parent([item for item, _ in pairs])
        plans.append(TransferPlan(source, folder, rows, driver=PlanDriver(settings, observer)))
    return plans


def _server(item: _Object) -> tuple[str, str]:
    return (item.address.profile, item.address.bucket) if isinstance(item.address, S3Address) else ("", "")


def _parent(objects: list[_Object]) -> Address:
    """The folder or prefix that all of them lie in."""
    first = objects[0].address
    if isinstance(first, LocalAddress):
        return LocalAddress(Path(os.path.commonpath([os.path.dirname(item.key) for item in objects])))  # noqa: PTH120
    parents = {item.key[: item.key.rfind("/") + 1] for item in objects}
    return S3Address(first.bucket, parents.pop() if len(parents) == 1 else "", first.profile)


def _find_obstacles(folder: Address, names: list[str]) -> dict[str, str]:
    if isinstance(folder, LocalAddress):
        return dict(find_folder_conflicts(names, []))
    return {name: find_key_obstacle(name, folder.child("").key) for name in names}


def _to_row(item: _Object, folder: Address, name: str, obstacle: str) -> PlannedObject:
    action, reason = (Action.CONFLICT, obstacle) if obstacle else (Action.COPY, "asked for")
    key = _key_of(folder, name)
    return PlannedObject(name, item.key, key, item.size_bytes, item.etag, action, reason, None, item.last_modified)


def _key_of(folder: Address, name: str) -> str:
    if isinstance(folder, LocalAddress):
        return f"{os.path.normpath(folder.path).rstrip('/')}/{name}"
    return folder.child(name).key


def _check_apart(item: _Object, folder: Address, name: str, settings: Settings) -> None:
    key = _key_of(folder, name)
    if isinstance(item.address, LocalAddress) and isinstance(folder, LocalAddress):
        same = os.path.realpath(item.key) == os.path.realpath(key)
    elif isinstance(item.address, S3Address) and isinstance(folder, S3Address):
        one, other = _endpoint(item.address, settings), _endpoint(folder, settings)
        same = (one, item.address.bucket, item.key) == (other, folder.bucket, key)
    else:
        same = False
    if same:
        raise UsageError(f"{item.address} would be copied to itself.", hint="Name another target.")


def _endpoint(address: S3Address, settings: Settings) -> str:
    profile: S3Profile = settings.profile(address.profile)
    return profile.resolved_endpoint_url


def _child(target: Address, name: str) -> Address:
    if not name:
        return target
    if isinstance(target, LocalAddress):
        if obstacle := find_folder_conflicts([name], []).get(name):
            raise UsageError(
                f"No folder can be called {name!r}: {obstacle}.", hint="Name the target without a slash behind it."
            )
        return LocalAddress(target.path / name)
    return target.child(name)


def _plan_tree(source: Address, target: Address, settings: Settings, observer: Observer) -> TransferPlan:
    plan = plan_transfer(source, target, settings=settings, compare="always", observer=observer)
    if not plan.totals.objects and isinstance(source, S3Address) and source.key:
        raise nothing_at(source)
    return plan
