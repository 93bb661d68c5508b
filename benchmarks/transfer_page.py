"""The section on transfers of docs/reference/benchmarks.md: tables, and each target with what was measured."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients import BY_OWN_REQUESTS, BY_S5CMD, OURS
from page import describe_machine, replace_section

ORDER = (OURS, BY_S5CMD, BY_OWN_REQUESTS, "s5cmd", "s3fs", "aws", "rclone", "mc")
SETS = ("small", "medium", "large")
MIB = 1024**2
Cases = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Verdict:
    """One target of the project's own.

    Attributes:
        target: What was aimed at.
        measured: What came out.
        met: True, False, or None where something was not measured.
    """

    target: str
    measured: str
    met: bool | None


def write(results: Path) -> None:
    """Bring the page up to date with the results."""
    known = json.loads(results.read_text(encoding="utf-8"))
    replace_section("transfers", render(known))


def render(known: dict[str, Any]) -> str:
    cases: Cases = known["cases"]
    dates = sorted({entry["measured"] for by_client in cases.values() for entry in by_client.values()})
    runs = max(len(entry["samples"]) for by_client in cases.values() for entry in by_client.values())
    trees = ", ".join(f"{name} = {known['trees'][name]}" for name in (*SETS, "keys"))
    versions = "; ".join(f"{name}: {version}" for name, version in sorted(known["versions"].items()))
    verdicts = judge(cases)
    missed = [verdict for verdict in verdicts if verdict.met is False]
    open_ones = [verdict for verdict in verdicts if verdict.met is None]
    summary = f"{sum(verdict.met is True for verdict in verdicts)} targets met, {len(missed)} missed"
    summary += f", {len(open_ones)} not measured." if open_ones else "."
    return f"""## Transfers

Measured {" to ".join(dict.fromkeys((dates[0], dates[-1])))} on {describe_machine()}, by `{known["command"]}`
(load average at the end {known["load"]:.1f}). Median of up to {runs} interleaved runs, each a fresh process into a fresh
bucket or folder, with two MinIO servers on loopback of the same machine: the servers' own work is in every figure. {summary}

Data: {trees}. A cell is wall seconds (the client's
CPU seconds, peak memory of all its processes in MiB, S3 requests counted by the servers).
Clients: {versions}; rclone with 32 transfers and 32 checkers, the others as they come.

{render_tables(cases)}

### Targets

{render_verdicts(verdicts)}

### What is not faster

{render_slower(cases)}"""


def render_tables(cases: Cases) -> str:
    parts = []
    for work in ("upload", "download", "one endpoint", "traditional", "two endpoints"):
        title = {
            "one endpoint": "Copy inside one server",
            "traditional": "The traditional way: the same copy by download and upload",
            "two endpoints": "Copy between two servers",
        }.get(work, work.capitalize())
        names = [name for name in ORDER if any(name in cases.get(f"{work} | {tree}", {}) for tree in SETS)]
        if names:
            rows = [[name, *(cell(cases.get(f"{work} | {tree}", {}).get(name)) for tree in SETS)] for name in names]
            parts.append(f"### {title}\n\n{table(['client', *SETS], rows)}")
    nothing = cases.get("nothing to do | keys", {})
    if nothing:
        rows = [[name, cell(nothing[name])] for name in ORDER if name in nothing]
        parts.append(f"### Nothing to do, as many keys on each side\n\n{table(['client', 'keys'], rows)}")
    states = ("cold", "unchanged", "5 % changed")
    names = [
        name for name in (OURS, "per-object loop") if any(name in cases.get(f"requests | {state}", {}) for state in states)
    ]
    if names:
        rows = [
            [name, *(f"{entry['requests']:,}" if (entry := cases.get(f"requests | {s}", {}).get(name)) else "" for s in states)]
            for name in names
        ]
        parts.append(f"### S3 requests, small\n\n{table(['client', *states], rows)}")
    return "\n\n".join(parts)


def judge(cases: Cases) -> list[Verdict]:
    """Each target, in the words of the plan."""
    verdicts = []
    for tree in SETS:
        case = f"one endpoint | {tree}"
        verdicts.append(
            _compare(
                f"one endpoint, {tree}: at most 1.05 x s5cmd + 0.4 s",
                _wall(cases, case, OURS),
                _scaled(_wall(cases, case, "s5cmd"), 1.05, 0.4),
            )
        )
    for work in ("upload", "download"):
        case = f"{work} | small"
        verdicts.append(
            _compare(
                f"{work}, small: at least 2.5 x as fast as s3fs",
                _wall(cases, case, OURS),
                _scaled(_wall(cases, case, "s3fs"), 0.4),
            )
        )
    verdicts += _judge_nothing(cases)
    for tree in SETS:
        case = f"two endpoints | {tree}"
        peers = [value for name in ("rclone", "mc") if (value := _wall(cases, case, name)) is not None]
        verdicts.append(
            _compare(
                f"two endpoints, {tree}: at most 1.1 x the faster of rclone and mc",
                _wall(cases, case, OURS),
                _scaled(min(peers, default=None), 1.1),
            )
        )
        verdicts.append(_memory(f"two endpoints, {tree}: under 200 MiB", _peak(cases, case, OURS), 200 * MIB))
    verdicts += _judge_traditional(cases)
    for state, share in (("unchanged", 0.2), ("5 % changed", 0.2), ("cold", None)):
        ours, loop = (_value(cases, f"requests | {state}", name, "requests") for name in (OURS, "per-object loop"))
        text = "" if ours is None or loop is None else f"{ours:,.0f} against {loop:,.0f}: {1 - ours / loop:.0%} fewer"
        if share is not None:
            met = None if ours is None or loop is None else ours < share * loop
            verdicts.append(Verdict(f"over 80 % fewer S3 requests than the per-object loop, {state}", text, met))
        elif text:
            verdicts.append(Verdict("the same for a cold copy (stated, no target)", text, met=True))
    return [*verdicts, *_judge_engine(cases)]


def _judge_nothing(cases: Cases) -> list[Verdict]:
    case = "nothing to do | keys"
    ours = _wall(cases, case, OURS)
    return [
        _compare("nothing to do: at most a third of s5cmd sync", ours, _scaled(_wall(cases, case, "s5cmd"), 1 / 3)),
        _compare("nothing to do: no more than mc mirror", ours, _wall(cases, case, "mc")),
        _memory("nothing to do: under 100 MiB", _peak(cases, case, OURS), 100 * MIB),
        _memory("a million keys planned: under 150 MiB", _peak(cases, "million | plan", OURS), 150 * MIB),
    ]


def _judge_traditional(cases: Cases) -> list[Verdict]:
    verdicts = []
    for tree in SETS:
        ours = _wall(cases, f"one endpoint | {tree}", OURS)
        for name in ("aws", "s3fs"):
            old = _wall(cases, f"traditional | {tree}", name)
            verdicts.append(_saving(f"{tree}: over 60 % less time than {name} down + up", ours, old, 0.6))
        old = _wall(cases, f"traditional | {tree}", "s5cmd")
        if ours is not None and old is not None:
            text = f"{ours:.1f} s against {old:.1f} s: {1 - ours / old:.0%} less"
            verdicts.append(Verdict(f"{tree}: beside it, s5cmd down + up (stated, no target)", text, met=True))
        if tree != "small":
            peak, old_peak = _peak(cases, f"one endpoint | {tree}", OURS), _peak(cases, f"traditional | {tree}", "s3fs")
            verdicts.append(_saving(f"{tree}: over 70 % less memory than s3fs down + up", peak, old_peak, 0.7, memory=True))
    staged = [_said(cases, f"one endpoint | {tree}", "peak_staging_bytes") for tree in SETS]
    known = [value for value in staged if value is not None]
    text = f"{max(known):,.0f} bytes" if known else ""
    return [*verdicts, Verdict("one endpoint: no local storage", text, max(known) == 0 if known else None)]


def _judge_engine(cases: Cases) -> list[Verdict]:
    plan_us, run_us = (_said(cases, "own cost | objects", name) for name in ("plan_us", "run_us"))
    own_us = None if plan_us is None or run_us is None else plan_us + run_us
    parts = "" if own_us is None else f"{own_us:.0f} µs: {plan_us:.0f} to plan, {run_us:.0f} to run and report"
    verdicts = [
        Verdict("engine's own CPU: at most 50 µs an object beyond imports", parts, None if own_us is None else own_us <= 50)
    ]
    cpu_s, objects = _said(cases, "one endpoint | small", "engine_cpu_s"), _said_objects(cases, "one endpoint | small")
    s5cmd_s = _value(cases, "one endpoint | small", "s5cmd", "cpu_s")
    if cpu_s is not None and s5cmd_s is not None and objects:
        text = f"{cpu_s / objects * 1e6:.0f} µs, with listing and verification; s5cmd {s5cmd_s / objects * 1e6:.0f} µs"
        verdicts.append(Verdict("the same with the requests that it sends, small (stated, no target)", text, met=True))
    loads = _said(cases, "one endpoint | small", "loads_s3fs")
    met = None if loads is None else not loads
    return [*verdicts, Verdict("the sync path does not import s3fs", "" if met is None else str(met), met)]


def _value(cases: Cases, case: str, client: str, name: str) -> float | None:
    entry = cases.get(case, {}).get(client)
    return None if entry is None else float(entry[name])


def _wall(cases: Cases, case: str, client: str) -> float | None:
    return _value(cases, case, client, "wall_s")


def _peak(cases: Cases, case: str, client: str) -> float | None:
    return _value(cases, case, client, "peak_bytes")


def _said(cases: Cases, case: str, name: str) -> float | None:
    """The middle one of what our reports said."""
    values = sorted(s["said"][name] for s in cases.get(case, {}).get(OURS, {}).get("samples", []) if name in s["said"])
    return float(values[len(values) // 2]) if values else None


def _said_objects(cases: Cases, case: str) -> int:
    samples = cases.get(case, {}).get(OURS, {}).get("samples", [])
    return int(samples[0]["said"]["objects"]["done"]) if samples and "objects" in samples[0]["said"] else 0


def _scaled(value: float | None, factor: float, more: float = 0.0) -> float | None:
    return None if value is None else value * factor + more


def _compare(target: str, ours: float | None, bound: float | None) -> Verdict:
    if ours is None or bound is None:
        return Verdict(target, "", None)
    return Verdict(target, f"{ours:.2f} s, the bound is {bound:.2f} s", ours <= bound)


def _memory(target: str, peak: float | None, bound: float) -> Verdict:
    return Verdict(target, "" if peak is None else f"{peak / MIB:.0f} MiB", None if peak is None else peak < bound)


def _saving(target: str, ours: float | None, old: float | None, least: float, *, memory: bool = False) -> Verdict:
    if ours is None or old is None:
        return Verdict(target, "", None)
    shown = f"{ours / MIB:.0f} MiB against {old / MIB:.0f} MiB" if memory else f"{ours:.1f} s against {old:.1f} s"
    return Verdict(target, f"{shown}: {1 - ours / old:.0%} less", ours < (1 - least) * old)


def render_verdicts(verdicts: list[Verdict]) -> str:
    words = {True: "met", False: "**missed**", None: "not measured"}
    return table(["target", "measured", ""], [[item.target, item.measured, words[item.met]] for item in verdicts])


def render_slower(cases: Cases) -> str:
    """Every cell in which another client was faster or smaller, largest distance first."""
    found = []
    for case, by_client in cases.items():
        ours = by_client.get(OURS)
        if ours is None or "|" not in case or case.startswith(("requests", "million", "own cost")):
            continue
        for name, entry in by_client.items():
            if not name.startswith(OURS) and entry["wall_s"] < ours["wall_s"]:
                times = ours["wall_s"] / entry["wall_s"]
                work, _, tree = case.partition(" | ")
                found.append(
                    (times, f"- {work}, {tree}: {name} needs {entry['wall_s']:.2f} s, the SDK {ours['wall_s']:.2f} s.")
                )
    lines = [text for _, text in sorted(found, reverse=True)]
    return "\n".join(lines or ["- No client was faster in any cell; on a calmer or larger machine one may be."])


def cell(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return ""
    return f"{entry['wall_s']:.2f} ({entry['cpu_s']:.1f}, {entry['peak_bytes'] / MIB:.0f}, {entry['requests']:,})"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in [head, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


if __name__ == "__main__":
    write(Path(sys.argv[1]))
