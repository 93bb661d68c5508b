"""Random damage to a clean archive, by a seed: what nobody thought of when the rules were written."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable

TIME = (2024, 1, 1, 0, 0, 0)


def repack(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these members, names as they are."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name, TIME), data, method)
    return sink.getvalue()


def mutate(chance: random.Random, stem: str, text: bytes, packed: bytes) -> tuple[str, bytes]:
    """The name of what was done, and the bytes of the archive after it; never the bytes that it had before."""
    while True:
        name = chance.choice(sorted(MUTATIONS))
        mutated = MUTATIONS[name](chance, f"{stem}.csv", text, packed)
        if mutated != packed:
            return name, mutated


Mutation = Callable[[random.Random, str, bytes, bytes], bytes]


def _flip(chance: random.Random, name: str, text: bytes, packed: bytes) -> bytes:
    data = bytearray(packed)
    for _ in range(chance.choice([1, 1, 2, 8])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _flip_in_directory(chance: random.Random, name: str, text: bytes, packed: bytes) -> bytes:
    """Where a zip says what it is: sizes, methods, flags, offsets."""
    data, start = bytearray(packed), packed.index(b"PK\x01\x02")
    for _ in range(chance.choice([1, 2, 4])):
        data[chance.randrange(start, len(data))] = chance.randrange(256)
    return bytes(data)


def _cut(chance: random.Random, name: str, text: bytes, packed: bytes) -> bytes:
    start = chance.randrange(len(packed))
    return packed[:start] + packed[start + chance.randrange(1, 200) :]


def _insert(chance: random.Random, name: str, text: bytes, packed: bytes) -> bytes:
    at = chance.randrange(len(packed) + 1)
    return packed[:at] + chance.randbytes(chance.randrange(1, 60)) + packed[at:]


def _flag_encrypted(chance: random.Random, name: str, text: bytes, packed: bytes) -> bytes:
    data = bytearray(packed)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", data, data.index(signature) + offset, 1)
    return bytes(data)


def _change_method(chance: random.Random, name: str, text: bytes, packed: bytes) -> bytes:
    data = bytearray(packed)
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 10, chance.choice([0, 1, 9, 12, 14, 93, 95, 97]))
    return bytes(data)


def _change_text(change: Callable[[random.Random, bytes], bytes]) -> Mutation:
    return lambda chance, name, text, packed: repack((name, change(chance, text)))


def _garble(chance: random.Random, text: bytes) -> bytes:
    lines = text.splitlines()
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(lines))
        cells = lines[at].split(b",")
        cells[chance.randrange(len(cells))] = chance.choice(
            [
                b"",
                b"nan",
                b"inf",
                b"-1",
                b"0",
                b"1e400",
                b"1e-400",
                b"9" * 40,
                b'"',
                b'"a,b"',
                b"\0",
                b"\xff\xfe",
                b"0x10",
                b"1_0",
                b" 1",
            ]
        )
        lines[at] = b",".join(cells)
    return b"".join(line + b"\n" for line in lines)


def _drop_column(chance: random.Random, text: bytes) -> bytes:
    column = chance.randrange(8)
    rows = [line.split(b",") for line in text.splitlines()]
    return b"".join(b",".join(row[:column] + row[column + 1 :]) + b"\n" for row in rows)


def _add_lines(chance: random.Random, text: bytes) -> bytes:
    lines = text.splitlines()
    for _ in range(chance.randrange(1, 4)):
        lines.insert(chance.randrange(len(lines) + 1), chance.choice([b"", b"   ", b",,,", b"#", b"open_time,open", lines[0]]))
    return b"".join(line + b"\n" for line in lines)


def _flip_text(chance: random.Random, text: bytes) -> bytes:
    data = bytearray(text)
    for _ in range(chance.randrange(1, 20)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


MUTATIONS: dict[str, Mutation] = {
    "bits flipped": _flip,
    "directory garbled": _flip_in_directory,
    "cut": _cut,
    "inserted": _insert,
    "encrypted": _flag_encrypted,
    "method changed": _change_method,
    "empty": lambda *_: b"",
    "web page": lambda *_: b"<html><body>503 Service Unavailable</body></html>",
    "second member": lambda chance, name, text, packed: repack((name, text), (f"copy-of-{name}", text)),
    "macOS": lambda chance, name, text, packed: repack((f"__MACOSX/._{name}", b"\0"), (name, text)),
    "only macOS": lambda chance, name, text, packed: repack((f"__MACOSX/._{name}", b"\0")),
    "path": lambda chance, name, text, packed: repack((f"../{name}", text)),
    "absolute path": lambda chance, name, text, packed: repack((f"/etc/{name}", text)),
    "NUL in the name": lambda chance, name, text, packed: repack((f"{name}\0.exe", text)),
    "no member": lambda *_: repack(),
    "zip in a zip": lambda chance, name, text, packed: repack((name, packed)),
    "bomb": lambda chance, name, text, packed: repack((name, bytes(65 * 1024**2))),
    "stored": lambda chance, name, text, packed: repack((name, text), method=zipfile.ZIP_STORED),
    "byte order mark": _change_text(lambda chance, text: b"\xef\xbb\xbf" + text),
    "CRLF": _change_text(lambda chance, text: text.replace(b"\n", b"\r\n")),
    "only CR": _change_text(lambda chance, text: text.replace(b"\n", b"\r")),
    "no text": _change_text(lambda chance, text: b""),
    "UTF-16": _change_text(lambda chance, text: text.decode().encode("utf-16")),
    "numbers garbled": _change_text(_garble),
    "column removed": _change_text(_drop_column),
    "lines added": _change_text(_add_lines),
    "text flipped": _change_text(_flip_text),
    "last line cut": _change_text(lambda chance, text: text[: -chance.randrange(2, 40)]),
}
"""What is done → how. `stored`, `macOS`, `byte order mark`, `CRLF` leave all rows as they were."""

EDITS = ("drop", "double", "truncate", "garble", "extend", "blank", "insert", "swap", "nul", "sign", "borrow", "zero")


def mutate_lines(lines: list[str], seed: int, edits: list[str]) -> list[str]:
    """Apply random edits, by a seed, to random lines."""
    rng = random.Random(seed)
    lines = list(lines)
    for edit in edits:
        at = rng.randrange(len(lines)) if lines else 0
        line = lines[at] if lines else ""
        position = rng.randrange(len(line) + 1)
        at_cell = rng.randrange(line.count(",") + 1)
        changed = {
            "truncate": line[:position],
            "garble": line[:position] + rng.choice(",x\"'- .e\t;é0") + line[position + 1 :],
            "extend": f"{line},{rng.randrange(10)}",
            "blank": "",
            "nul": f"{line[:position]}\0{line[position:]}",
            "sign": line.replace(",", ",-", 1),
            "borrow": _with_cell(line, at_cell, rng.choice(lines).split(",")) if lines else "",
            "zero": _with_cell(line, at_cell, ["0"] * (at_cell + 1)),
        }
        if edit in changed and lines:
            lines[at] = changed[edit]
        elif edit == "drop" and lines:
            del lines[at]
        elif edit == "swap" and lines:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif edit in {"double", "insert"}:
            lines.insert(at, line)
    return lines


def _with_cell(line: str, at: int, cells: list[str]) -> str:
    """The line with the cell at this place of another line, where that has one."""
    own = line.split(",")
    return ",".join([*own[:at], *cells[at : at + 1], *own[at + 1 :]])
