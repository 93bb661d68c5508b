"""`lakehouse tables quality` and `replay`: how good what was built is, and judging it again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lakehouse_sdk.cli.options import parse_time
from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.cli.tables import group
from lakehouse_sdk.display import format_count, format_share
from lakehouse_sdk.events import ignore_events
from lakehouse_sdk.lakehouse import connect

_SHOWN_SERIES = 20


def register(app: typer.Typer) -> None:
    """Nothing of its own: the commands belong to the group `tables`."""
    del app


@group.command()
def quality(
    source: Annotated[str | None, typer.Option(help="Publisher. Default: all.")] = None,
    market: Annotated[str | None, typer.Option(help="spot, um, …. Default: all.")] = None,
    data_type: Annotated[list[str] | None, typer.Option("--type", help="klines, aggTrades, …; repeat. Default: all.")] = None,
    symbol: Annotated[list[str] | None, typer.Option("--symbol", help="Native symbol; repeat. Default: all.")] = None,
    start: Annotated[str | None, typer.Option(help="First day, UTC, as 2024-01-31.")] = None,
    end: Annotated[str | None, typer.Option(help="Day after the last, UTC.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the whole report as a page to this file.")] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", min=0, max=1, help="Exit code 1 where a series has less, e.g. 0.99.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, its kind in `type`.")] = False,
) -> None:
    """Tell how good what was built is: rows, scores, rules, archives that could not be read.

    Exit code 1 where a series' score is below --min-score, or nothing was built of what is asked for.

    Examples:
      1. Everything, the worst series first:
         lakehouse tables quality
      2. One symbol's bars as a page with plots:
         lakehouse tables quality --type klines --symbol BTCUSDT --html quality.html
      3. In a nightly run:
         lakehouse tables quality --start 2024-01-01 --min-score 0.99 --json
    """
    report = connect().quality(
        source,
        market=market,
        data_types=data_type or None,
        symbols=symbol or None,
        start=parse_time("--start", start),
        end=parse_time("--end", end),
    )
    if html is not None:
        report.to_html(html)
    if as_json:
        values = report.to_dict()
        for kind in ("series", "rules", "defects", "rule_failures"):
            for row in values.pop(kind):
                print_json({"type": kind.removesuffix("s") if kind != "series" else kind, **row})
        print_json({"type": "summary", **values})
    else:
        series = list(report.series.head(_SHOWN_SERIES).iter_rows(named=True))
        names = ("symbol", "data_type", "interval", "market", "source")
        print_table(
            [*(name.replace("_", " ") for name in names), "days", "accepted", "quarantined", "score"],
            [
                [
                    *(row[name] or "" for name in names),
                    *(format_count(row[name]) for name in ("days", "rows_accepted", "rows_quarantined")),
                    format_share(row["score"], 1),
                ]
                for row in series
            ],
        )
        if report.series.height > len(series):
            print(f"… and {format_count(report.series.height - len(series))} better series")
        rules = list(report.rules.iter_rows(named=True))
        if rules:
            print()
            words = {"E": "rejected", "W": "flagged"}
            rows = [[row["rule"], words[row["severity"]], format_count(row["rows"]), row["sentence"]] for row in rules]
            print_table(["rule", "rows are", "rows", "what holds for a good row"], rows)
        for row in report.defects.iter_rows(named=True):
            print(f"unreadable {row['key']}: {row['defect']}")
        for row in report.failures.iter_rows(named=True):
            print(f"the rule {row['rule']} failed: {row['error']}")
        print(report.summary)
    if min_score is not None:
        report.raise_for_score(min_score)


@group.command()
def replay(
    source: Annotated[str | None, typer.Option(help="Publisher. Default: all.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only archives with a row that was rejected for this rule.")] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="Only this archive; repeat. Default: all in quarantine.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, its kind in `type`.")] = False,
) -> None:
    """Judge archives with rows in quarantine again, by today's rules and thresholds; safe to repeat.

    Exit code 1 where an archive could not be judged again.

    Examples:
      1. After a rule was corrected:
         lakehouse tables replay --rule mine-wide-bar
      2. After a threshold of flags was changed, for one archive:
         lakehouse tables replay --key data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.zip
    """
    lake = connect(observer=ignore_events if as_json else progress())
    report = lake.replay(source, rule=rule, keys=key or None)
    for archive in report.archives:
        if as_json:
            print_json({"type": "archive", **asdict(archive)})
        elif archive.outcome != "unchanged":
            rows = f"{format_count(archive.quarantined_before)} → {format_count(archive.quarantined_after)} in quarantine"
            print(f"{archive.outcome} {archive.key}: {archive.reason or rows}")
    if as_json:
        print_json({"type": "summary", "rows_written": report.commit.rows_written, "seconds": report.seconds})
    else:
        print(report.summary)
    if report.with_outcome("skipped"):
        raise typer.Exit(1)
