"""Probes of names and listings."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import partial

from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.storage.conformance.bench import Bench, Gap, Probe, collect, expect

PROBES: list[Probe] = []
_probe = partial(collect, PROBES)
_NAMES = "The plan calls such names conflicts where the server is known by this gap; choose other names."


@_probe("round-trip", "bytes come back as they were sent, empty ones too", "Nothing can be trusted: do not use it.")
def _round_trip(bench: Bench) -> None:
    at, body = bench.place(), bytes(range(256)) * 5
    bench.put(f"{at}a", body)
    bench.put(f"{at}empty", b"")
    expect(bench.get(f"{at}a"), body)
    expect(bench.get(f"{at}empty"), b"")


@_probe("plain-etag", "the ETag of a small object is its MD5", "ETags are compared for equality only; proof takes SHA-256.")
def _plain_etag(bench: Bench) -> None:
    expect(bench.put(f"{bench.place()}a", b"hello"), hashlib.md5(b"hello", usedforsecurity=False).hexdigest())


@_probe("listing-order", "listings come in the order of the keys' UTF-8 bytes", "Listings are sorted outside of memory.")
def _listing_order(bench: Bench) -> None:
    at, names = bench.place(), ["B", "a-", "a.b", "a/x", "aa", "z", "é", "\uffee", "\U0001f600"]
    for name in names:
        bench.put(f"{at}{name}")
    expect(bench.keys(at), sorted(names, key=str.encode))


@_probe("listing-encoding", "listings give every key back as it was written", "Such keys are named in reports as failures.")
def _listing_encoding(bench: Bench) -> None:
    at, names = bench.place(), ["a b", "a+b", "a%20b", "a&b", "a<b>", 'a"b', "a'b", "a?b#c", "ü", "日本", "a=b;c,d"]
    for name in names:
        bench.put(f"{at}{name}", name.encode())
    expect(sorted(bench.keys(at)), sorted(names))
    for name in names:
        expect(bench.get(f"{at}{name}"), name.encode(), name)


@_probe(
    "listing-pages", "a listing goes on where its page ended", "A listing that repeats or ends early is an error, not a plan."
)
def _listing_pages(bench: Bench) -> None:
    at, names = bench.place(), [f"{number:02}" for number in range(7)]
    for name in names:
        bench.put(f"{at}{name}")
    found: list[str] = []
    token = ""
    for _ in range(10):
        query = {"list-type": "2", "prefix": at, "max-keys": "3", **({"continuation-token": token} if token else {})}
        body = bench.wire.send("GET", bench.bucket, query=query).body.decode()
        found += [part.partition("</Key>")[0].removeprefix(at) for part in body.split("<Key>")[1:]]
        token = body.partition("<NextContinuationToken>")[2].partition("</NextContinuationToken>")[0]
        if not token:
            break
    expect(found, names)


@_probe("listing-start-after", "a listing can begin behind a key", "Large listings are read in one stretch.")
def _listing_start_after(bench: Bench) -> None:
    at = bench.place()
    for name in "abc":
        bench.put(f"{at}{name}")
    found = [info.key.removeprefix(at) for info in bench.client.list_objects(bench.bucket, at, start_after=f"{at}a")]
    expect(found, ["b", "c"])


@_probe("listing-prefixes", "a delimiter groups keys into prefixes", "`ls` shows every key.")
def _listing_prefixes(bench: Bench) -> None:
    at = bench.place()
    for name in ("a", "d/x", "d/y", "e/z"):
        bench.put(f"{at}{name}")
    found = [item if isinstance(item, str) else item.key for item in bench.client.list_children(bench.bucket, at)]
    expect(sorted(found), sorted(f"{at}{name}" for name in ("a", "d/", "e/")))


@_probe(
    "object-beside-prefix", "`a` and `a/x` are two objects, both listed", "Verification asks for what a listing lacks by name."
)
def _object_beside_prefix(bench: Bench) -> None:
    at = bench.place()
    bench.put(f"{at}a/x", b"1")
    bench.put(f"{at}a", b"2")
    expect((bench.get(f"{at}a/x"), bench.get(f"{at}a")), (b"1", b"2"))
    expect(bench.keys(at), ["a", "a/x"])


@_probe("backslash", "a backslash in a key is no slash", _NAMES)
def _backslash(bench: Bench) -> None:
    at = bench.place()
    bench.put(f"{at}a\\b", b"1")
    bench.put(f"{at}a/b", b"2")
    expect((bench.get(f"{at}a\\b"), bench.get(f"{at}a/b")), (b"1", b"2"))
    expect(bench.keys(at), ["a/b", "a\\b"])


@_probe("empty-parts", "a key may have empty parts between slashes", _NAMES)
def _empty_parts(bench: Bench) -> None:
    at = bench.place()
    bench.put(f"{at}a//b", b"1")
    bench.put(f"{at}a/b", b"2")
    expect((bench.get(f"{at}a//b"), bench.get(f"{at}a/b")), (b"1", b"2"))
    expect(bench.keys(at), ["a//b", "a/b"])


@_probe("dot-parts", "a key may have the parts `.` and `..`", _NAMES)
def _dot_parts(bench: Bench) -> None:
    at = bench.place()
    bench.put(f"{at}d/../a", b"1")
    expect(bench.get(f"{at}d/../a"), b"1")
    expect(bench.keys(at), ["d/../a"])


@_probe("leading-slash", "a key may begin with a slash", _NAMES)
def _leading_slash(bench: Bench) -> None:
    name = f"/{bench.place()}a"
    bench.put(name, b"1")
    expect(bench.get(name), b"1")
    with suppress(NotFoundError):
        bench.get(name[1:])
        raise Gap("it is the same object without the slash")


@_probe("folder-marker", "`d/` is an object of its own", "Markers are copied by writing them anew.")
def _folder_marker(bench: Bench) -> None:
    at = bench.place()
    bench.put(f"{at}d/", b"")
    bench.put(f"{at}d/x")
    expect(bench.keys(at), ["d/", "d/x"])
    bench.note(f"{at}e/")
    bench.client.copy(bench.bucket, f"{at}d/", bench.bucket, f"{at}e/")
    expect(bench.get(f"{at}e/"), b"")


@_probe("long-names", "a key has up to 1,024 bytes, in parts of any length", _NAMES)
def _long_names(bench: Bench) -> None:
    at = bench.place()
    name = at + "n" * (1024 - len(at))
    bench.put(name, b"1")
    expect(bench.get(name), b"1")


@_probe("case", "keys that differ in case are two objects", _NAMES)
def _case(bench: Bench) -> None:
    at = bench.place()
    bench.put(f"{at}A", b"1")
    bench.put(f"{at}a", b"2")
    expect((bench.get(f"{at}A"), bench.get(f"{at}a")), (b"1", b"2"))
