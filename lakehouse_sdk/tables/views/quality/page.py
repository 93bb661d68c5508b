"""How a report on quality looks: a card in a notebook, a page in a browser."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from lakehouse_sdk.display import (
    Bar,
    HeatCell,
    HeatRow,
    Step,
    format_count,
    format_share,
    html_bars,
    html_card,
    html_heat_strip,
    html_line,
    html_steps,
    html_table,
    render,
)
from lakehouse_sdk.tables.read.series import SERIES, format_score, name_series
from lakehouse_sdk.tables.views.quality.facts import QualityFacts

if TYPE_CHECKING:
    from markupsafe import Markup

_SHOWN_SERIES = 40
_SHOWN_CELLS = 120
_DAY = timedelta(days=1)
_GOOD = 0.999
_POOR = 0.95
_SUM_COLUMNS = {
    "archives": "archives",
    "rows_in": "rows in",
    "rows_accepted": "accepted",
    "rows_duplicate": "duplicate",
    "rows_quarantined": "quarantined",
    "rows_flagged": "flagged",
    "numbers_rounded": "numbers rounded",
    "score": "score",
}


def render_card(report: QualityFacts) -> str:
    """The report for a notebook: sums, the worst series day by day, the rules."""
    facts = {
        "score": format_score(report.score),
        "archives": format_count(report.counts["archives"]),
        "unreadable": format_count(report.defects.height),
        "rows in": format_count(report.counts["rows_in"]),
        "quarantined": format_count(report.counts["rows_quarantined"]),
        "flagged": format_share(report.counts["rows_flagged"], report.counts["rows_accepted"]),
        "numbers rounded": format_count(report.counts["numbers_rounded"]),
    }
    body = _heat(report, 15) + _rules_table(report, 10)
    return str(html_card(f"Quality of {report.title}", facts, body, tone=_tone(report)))


def render_page(report: QualityFacts) -> str:
    """The report as one page."""
    counts = report.counts
    return str(
        render(
            "tables/views/quality",
            "quality.html.j2",
            report=report,
            written=datetime.now(UTC),
            verdict=_verdict(report),
            score=format_score(report.score),
            tone=_tone(report),
            flow=_flow(report),
            trend=_trend(report),
            heat=_heat(report, _SHOWN_SERIES),
            tables=html_table(_scored(report.tables), {"table": "table", **_SUM_COLUMNS}),
            series=html_table(_series_rows(report), {"name": "series", **_SUM_COLUMNS, "span": "rows"}, max_rows=200),
            rules=_rules_table(report, 100),
            rule_bars=_rule_bars(report),
            examples=_examples_table(report),
            worst=_worst_table(report),
            edges=_edges_table(report),
            defects=html_table(
                report.defects.to_dicts(), {"key": "archive", "defect": "defect", "defect_detail": "what was found"}
            ),
            failures=html_table(report.failures.to_dicts()),
            flagged=format_share(counts["rows_flagged"], counts["rows_accepted"]),
        )
    )


def _tone(report: QualityFacts) -> str:
    score = 1.0 if report.score is None else report.score
    if score < _POOR:
        return "bad"
    return "warn" if report.defects.height or report.failures.height or score < _GOOD else "good"


def _verdict(report: QualityFacts) -> str:
    score, counts = report.score, report.counts
    accepted = format_share(counts["rows_accepted"] + counts["rows_duplicate"], counts["rows_in"])
    whole = (
        f"{format_score(score)} of the rows that should be there are there" if score is not None else "No calendar to score by"
    )
    count = report.defects.height
    broken = f", {format_count(count)} archive{'s' if count > 1 else ''} could not be read" if count else ""
    return f"{whole}; {accepted} of the published rows are good{broken}."


def _flow(report: QualityFacts) -> Markup:
    counts = report.counts
    read = counts["archives"] - report.defects.height
    unread = f"{format_count(report.defects.height)} unreadable" if report.defects.height else ""
    flagged = f"{format_share(counts['rows_flagged'], counts['rows_accepted'])} flagged"
    quarantined = format_share(counts["rows_quarantined"], counts["rows_in"])
    return html_steps(
        [
            Step("read", format_count(read), "archives", unread, "bad" if unread else ""),
            Step("rows in", format_count(counts["rows_in"]), "rows"),
            Step("duplicate", format_count(counts["rows_duplicate"]), "rows", "dropped, the first of each stays"),
            Step("quarantined", format_count(counts["rows_quarantined"]), "rows", f"{quarantined}, with rule and line", "warn"),
            Step("accepted", format_count(counts["rows_accepted"]), "rows", flagged, "good"),
        ]
    )


def _trend(report: QualityFacts) -> Markup | str:
    """Score of all series together by day, above the rows that were rejected."""
    scored = report.days.filter(pl.col("is_scored"))
    if scored.is_empty():
        return ""
    first, last = min(scored["day"]), max(scored["day"])
    by_day = scored.group_by("day").agg(
        pl.min_horizontal("rows_accepted", "rows_expected").sum().alias("present"),
        pl.col("rows_expected").sum(),
        pl.col("rows_quarantined").sum(),
    )
    days = pl.DataFrame({"day": pl.datetime_range(first, last, _DAY, time_zone="UTC", eager=True)})
    joined = days.join(by_day, on="day", how="left").sort("day")
    return html_line(
        (joined["present"] / joined["rows_expected"]).to_list(),
        below=joined["rows_quarantined"].to_list(),
        title="Score by day",
        ends=_ends(joined["day"].to_list()),
        show=format_score,
        below_title="quarantined",
    )


def _heat(report: QualityFacts, most: int) -> Markup:
    """One strip for each series, the worst first, on the calendar of all."""
    days = report.days
    if days.is_empty():
        return html_heat_strip([])
    first, last = min(days["day"]), max(days["day"])
    count = (last - first).days + 1
    step = -(-count // _SHOWN_CELLS)
    shown = report.series.head(most)
    by_series = days.partition_by(SERIES, as_dict=True)
    rows = []
    for series in shown.iter_rows(named=True):
        cells: dict[int, list[dict[str, Any]]] = {}
        frame = by_series.get(tuple(series[name] for name in SERIES))
        for day in () if frame is None else frame.iter_rows(named=True):
            cells.setdefault((day["day"] - first).days // step, []).append(day)
        strip = [_cell(cells.get(number, [])) for number in range(-(-count // step))]
        rows.append(HeatRow(name_series(series), strip, format_score(series["score"])))
    hidden = report.series.height - len(rows)
    caption = f"{step} day{'s' if step > 1 else ''} a cell" + (
        f"; {format_count(hidden)} better series left out" if hidden else ""
    )
    legend = (
        "Green: all expected rows. Amber: some are missing. Red: below 95 %, a thin line for none. Pale: nothing to score by."
    )
    return html_heat_strip(rows, ends=_ends([first, last]), caption=caption, legend=legend)


def _cell(days: list[dict[str, Any]]) -> HeatCell:
    scored = [day for day in days if day["is_scored"]]
    if not days:
        return HeatCell("not built", 0.0)
    titles = (_day_title(day) for day in (scored or days)[:5])
    title = "; ".join(titles)
    if not scored:
        has_rows = any(day["rows_accepted"] for day in days)
        return HeatCell(title, 0.5 if has_rows else 0.0)
    worst = min(day["score"] for day in scored)
    if worst == 0:
        return HeatCell(title, None)
    return HeatCell(title, worst, "good" if worst == 1 else "warn" if worst >= _POOR else "bad")


def _day_title(day: dict[str, Any]) -> str:
    expected = "" if day["rows_expected"] is None else f" of {format_count(day['rows_expected'])}"
    note = f", {day['note']}" if day["note"] else ""
    return f"{day['day']:%Y-%m-%d}: {format_count(day['rows_accepted'])}{expected} rows{note}"


def _rule_bars(report: QualityFacts) -> Markup | str:
    bars = [
        Bar(
            row["rule"],
            row["rows"],
            "rejected" if row["severity"] == "E" else "flagged",
            "bad" if row["severity"] == "E" else "warn",
        )
        for row in report.rules.head(15).iter_rows(named=True)
    ]
    return html_bars(bars) if bars else ""


def _rules_table(report: QualityFacts, most: int) -> Markup:
    rows = [
        {**row, "severity": "rejected" if row["severity"] == "E" else "flagged"} for row in report.rules.iter_rows(named=True)
    ]
    columns = {
        "rule": "rule",
        "severity": "rows are",
        "rows": "rows",
        "archives": "archives",
        "sentence": "what holds for a good row",
    }
    return html_table(rows, columns, max_rows=most)


def _examples_table(report: QualityFacts) -> Markup:
    rows = report.examples.rename({"_source_key": "archive"}).to_dicts()
    return html_table(
        rows, {"rule": "rule", "value": "values", "text": "line as published", "line": "line", "archive": "archive"}
    )


def _worst_table(report: QualityFacts) -> Markup:
    return html_table(_day_rows(report.worst_days().iter_rows(named=True)), _DAY_COLUMNS)


def _edges_table(report: QualityFacts) -> Markup:
    return html_table(_day_rows(report.edge_days.iter_rows(named=True)), {**_DAY_COLUMNS, "note": "why"}, max_rows=20)


_DAY_COLUMNS = {"day": "day", "series": "series", "rows": "rows", "expected": "expected", "score": "score", "span": "from, to"}


def _day_rows(days: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "day": f"{day['day']:%Y-%m-%d}",
            "series": name_series(day),
            "rows": day["rows_accepted"],
            "expected": day["rows_expected"],
            "score": format_score(day["score"]),
            "span": _span(day, "%H:%M"),
            "note": day["note"],
        }
        for day in days
    ]


def _scored(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [{**row, "score": format_score(row["score"])} for row in frame.iter_rows(named=True)]


def _series_rows(report: QualityFacts) -> list[dict[str, Any]]:
    return [{**row, "name": name_series(row), "span": _span(row, "%Y-%m-%d")} for row in _scored(report.series)]


def _span(row: dict[str, Any], form: str) -> str:
    first, last = row["first_time"], row["last_time"]
    return f"{first:{form}} to {last:{form}}" if first and last else ""


def _ends(days: list[datetime]) -> tuple[str, str]:
    return f"{days[0]:%Y-%m-%d}", f"{days[-1]:%Y-%m-%d}"
