"""What s5cmd is told and what it answers, one line for each object; pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse_sdk.transfer.model.objects import PlannedObject
from lakehouse_sdk.transfer.runners.protocol import Leg

_FLAGS = {
    "content-type": "--content-type",
    "content-encoding": "--content-encoding",
    "content-disposition": "--content-disposition",
    "cache-control": "--cache-control",
}
_PLAIN = re.compile(r"[A-Za-z0-9/._=,:@%+-]+")
"""What needs no quotes, tested before the slower general rule."""
_FINAL_CODES = frozenset({
    "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "NoSuchBucket", "NoSuchKey",
    "AllAccessDisabled", "MethodNotAllowed", "InvalidObjectState", "QuotaExceeded", "XMinioStorageFull",
    "XMinioInvalidObjectName", "XMinioAdminBucketQuotaExceeded", "KeyTooLongError",
})  # fmt: skip
"""Answers that another attempt cannot change."""
_STATUS_TEXT = re.compile(r"[,.]? ?(status code: \d+,? )?request id: .*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of s5cmd's output.

    Attributes:
        text: `<source> <target>` as it was told.
        error: Why it failed, empty where it did not.
        whole_text: False where `text` is its whole command, options included, of which `<source> <target>` is the end.
    """

    text: str
    error: str = ""
    whole_text: bool = True


def find_refusal(row: PlannedObject, leg: Leg) -> str:
    """Why s5cmd cannot carry out a row, empty where it can.

    What it does with the rest was tried on MinIO: it takes a trailing slash for a folder; a newline ends its line.
    """
    source, target = row.source_key, row.target_key
    if row.sha256 is not None:
        return "s5cmd cannot hold back bytes until their hash is known"
    if "\n" in source or "\n" in target:
        return "a newline in the name ends s5cmd's line"
    if target.endswith("/") or source.endswith("/"):
        return "s5cmd takes a name that ends with / for a folder"
    headers = leg.headers.get(target)
    if headers and not headers.keys() <= _FLAGS.keys():
        return "s5cmd would lose headers or metadata: " + ", ".join(sorted(headers.keys() - _FLAGS.keys()))
    return ""


class Lines:
    """Writes the lines of one leg.

    Args:
        leg: Which way, to or from a local folder.
        part_size_mib: Size of parts; larger objects go in several.
    """

    def __init__(self, leg: Leg, *, part_size_mib: int) -> None:
        self._headers = leg.headers
        self._source = f"s3://{leg.source_bucket}/" if leg.source_bucket else ""
        self._target = f"s3://{leg.target_bucket}/" if leg.target_bucket else ""
        self._command = f"cp --raw --part-size {part_size_mib} "
        if leg.profile.encryption and leg.target_bucket:
            self._command += f"--sse {leg.profile.encryption} "
            if leg.profile.kms_key_id:
                self._command += f"--sse-kms-key-id {shlex.quote(leg.profile.kms_key_id)} "

    def write(self, row: PlannedObject) -> tuple[str, bytes]:
        """What the answer to a row will name, and the line to feed."""
        source, target = self._source + row.source_key, self._target + row.target_key
        flags = _flags(self._headers.get(row.target_key)) if self._headers else ""
        return f"{source} {target}", f"{self._command}{flags}{_quote(source)} {_quote(target)}".encode()


def _flags(headers: Mapping[str, str] | None) -> str:
    return "".join(f"{_FLAGS[name]} {shlex.quote(value)} " for name, value in (headers or {}).items())


def _quote(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else shlex.quote(text)


def parse_line(line: bytes) -> Answer | None:
    """An answer from a line of output; None for a line that answers no command."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    if said.get("success") is True:
        return Answer(f"{said.get('source')} {said.get('destination')}")
    if "error" in said:
        return Answer(str(said.get("command", "")), str(said["error"]), whole_text=False)
    return None


def find_row(answer: Answer, outstanding: Mapping[str, PlannedObject]) -> str | None:
    """The text in `outstanding` that an answer is about; None where there is none.

    A failed command is told with its options in front, so the longest end of it that was told is the one.
    """
    if answer.whole_text:
        return answer.text if answer.text in outstanding else None
    text = answer.text
    position = 0
    while True:
        position = text.find(" ", position) + 1
        if not position:
            return None
        if text[position:] in outstanding:
            return text[position:]


def is_final(error: str) -> bool:
    """True where another attempt, by whichever client, would end the same way."""
    return error.partition(":")[0] in _FINAL_CODES or "not found" in error or is_of_key_service(error)


def is_of_key_service(error: str) -> bool:
    """True where the server could not encrypt or decrypt."""
    return error.lower().startswith("kms")


def is_unreachable(error: str) -> bool:
    """True where no server answered."""
    return error.startswith("RequestError: send request failed")


def shorten(error: str) -> str:
    """s5cmd's words without the ids of the request."""
    return _STATUS_TEXT.sub("", error).strip()
