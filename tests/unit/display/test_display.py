"""How results look: numbers, tables, cards, charts; hostile text stays text."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from markupsafe import Markup

from lakehouse_sdk.display import (
    NOTHING,
    Bar,
    HeatCell,
    HeatRow,
    Step,
    format_bytes,
    format_count,
    format_duration,
    format_rate,
    html_bars,
    html_card,
    html_heat_strip,
    html_line,
    html_steps,
    html_table,
    text_table,
)

HOSTILE = '<script>alert("x")</script>&\'"><img src=x onerror=alert(1)>'


class Reader(HTMLParser):
    """What a browser would see: the elements with their attributes, and the text outside of style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style and data.strip():
            self.words.append(data.strip())

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1536, "1.5 KiB"),
        (12 * 1024**2, "12.0 MiB"),
        (3 * 1024**6, "3.0 EiB"),
        (5000 * 1024**6, "5,000.0 EiB"),
        (-2048, "-2.0 KiB"),
        (None, NOTHING),
        (math.nan, NOTHING),
    ],
)
def test_bytes_are_written_in_binary_units(value: float | None, text: str) -> None:
    assert format_bytes(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234567, "1,234,567"), (2.5, "2.5"), (None, NOTHING), (math.inf, NOTHING)]
)
def test_counts_have_separators(value: float | None, text: str) -> None:
    assert format_count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ms"),
        (0.0344, "34 ms"),
        (0.9996, "1.0 s"),
        (1.24, "1.2 s"),
        (9.96, "10 s"),
        (48, "48 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3725, "1 h 02 min"),
        (3 * 86400 + 4 * 3600, "3 d 04 h"),
        (-75, "-1 min 15 s"),
        (None, NOTHING),
    ],
)
def test_durations_name_the_two_units_that_matter(value: float | None, text: str) -> None:
    assert format_duration(value) == text


def test_rates_need_time() -> None:
    assert format_rate(12 * 1024**2, 1.0) == "12.0 MiB/s"
    assert format_rate(3000, 3, "objects") == "1,000 objects/s"
    assert format_rate(5, 2, "objects") == "2.5 objects/s"
    assert format_rate(5, 0) == format_rate(None, 1) == format_rate(5, None) == NOTHING


class TestTable:
    def test_a_hostile_key_is_shown_and_never_becomes_markup(self) -> None:
        seen = Reader(html_table([{HOSTILE: HOSTILE}], caption=HOSTILE))
        assert not {"script", "img"} & set(seen.tags)
        assert seen.words.count(HOSTILE) == 3

    def test_numbers_stand_to_the_right_and_missing_values_are_dashes(self) -> None:
        html = html_table([{"key": "a", "size_bytes": 10_000, "ok": True}, {"key": "b", "size_bytes": None, "ok": False}])
        seen = Reader(html)
        right = [attributes.get("class") == "number" for tag, attributes in seen.elements if tag == "td"]
        assert right == [False, True, False] * 2
        assert seen.words == ["key", "size bytes", "ok", "a", "10,000", "yes", "b", NOTHING, "no"]

    def test_formatted_amounts_stand_to_the_right_too_and_text_does_not(self) -> None:
        amounts = (format_bytes(5e7), format_duration(125), format_rate(9e6, 2), NOTHING, "3 of 5")
        seen = Reader(html_table([*([amount, "BTCUSDT 1m"] for amount in amounts)], ["a", "b"]))
        cells = [attributes.get("class") for tag, attributes in seen.elements if tag == "td"]
        assert cells == ["number", None] * len(amounts)

    def test_only_words_that_are_too_long_may_be_broken_anywhere(self) -> None:
        seen = Reader(html_table([["BTCUSDT " * 5, "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m.zip"]], ["a", "b"]))
        assert [attributes.get("class") for tag, attributes in seen.elements if tag == "td"] == [None, "long"]

    def test_rows_may_be_sequences_and_columns_a_mapping_to_headings(self) -> None:
        assert Reader(html_table([["a", 1], ["b"]], {"k": "Key", "n": "How many"})).words == [
            "Key", "How many", "a", "1", "b", NOTHING,
        ]  # fmt: skip
        assert Reader(html_table([("a", 1)])).words == ["0", "1", "a", "1"]

    def test_an_empty_table_says_so_and_a_long_one_says_how_much_it_hides(self) -> None:
        assert "nothing" in Reader(html_table([], ["key"])).words
        assert "nothing" in Reader(html_table([])).words
        assert "… and 1,200 more" in Reader(html_table([[n] for n in range(1250)], ["n"])).words

    def test_markup_cells_pass_through(self) -> None:
        assert "em" in Reader(html_table([{"a": Markup("<em>x</em>")}])).tags

    def test_times_are_utc_and_floats_short(self) -> None:
        moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        words = Reader(
            html_table([[moment, moment.replace(tzinfo=None), 0.123456789, 1234567.89, math.nan]], list("abcde"))
        ).words
        assert words[5:] == ["2026-01-02 03:04:05Z", "2026-01-02 03:04:05", "0.123457", "1,234,568", NOTHING]


def test_a_card_escapes_text_and_keeps_markup() -> None:
    seen = Reader(html_card(HOSTILE, {HOSTILE: 3}, body=html_table([[1]], ["n"]), tone="bad"))
    assert not {"script", "img"} & set(seen.tags)
    assert "table" in seen.tags
    assert "img" not in Reader(html_card("t", body=HOSTILE)).tags


class TestText:
    def test_columns_line_up_and_numbers_stand_to_the_right(self) -> None:
        assert text_table([{"key": "a", "n": 5}, {"key": "long", "n": 1234}]).splitlines() == [
            "key       n",
            "────  ─────",
            "a         5",
            "long  1,234",
        ]

    def test_control_characters_cannot_steer_the_terminal(self) -> None:
        assert "\x1b" not in text_table([["\x1b[2Jx\n"]], ["key"])
        assert r"\x1b[2Jx\n" in text_table([["\x1b[2Jx\n"]], ["key"])

    def test_wide_characters_take_two_columns_and_long_cells_are_cut(self) -> None:
        lines = text_table([["币安", "x" * 90]], ["a", "b"], width=40).splitlines()
        assert lines[2] == "币安  " + "x" * 33 + "…"
        assert text_table([["币安人生"] * 2], ["a", "b"], width=3).splitlines()[2] == "币…   币…"


class TestCharts:
    def test_bars_share_one_scale_and_carry_their_values_as_words(self) -> None:
        html = html_bars([Bar("copy", 4.0), Bar(HOSTILE, 1.0, note="n", tone="bad"), Bar("none", None)], show=format_duration)
        widths = [float(attributes["width"] or 0) for tag, attributes in Reader(html).elements if tag == "rect"]
        assert widths == [100.0, 25.0, 0.0]
        assert "4.0 s" in Reader(html).words
        assert "script" not in Reader(html).tags

    def test_a_gap_in_the_data_is_a_gap_in_the_line(self) -> None:
        html = html_line([1, 2, None, 4, math.nan], below=[1, 0, None, 2, 1], title=HOSTILE, ends=("a", "b"))
        strokes = [attributes["d"] or "" for tag, attributes in Reader(html).elements if tag == "path"]
        assert strokes[0].count("M") == 2
        assert strokes[1].count("M") == 3
        assert "script" not in Reader(html).tags

    def test_flat_and_empty_lines_are_drawn_or_said(self) -> None:
        assert " 50.0" in html_line([3, 3])
        assert "nothing to draw" in html_line([])
        assert "nothing to draw" not in html_line([None])

    def test_a_heat_strip_says_how_much_is_present(self) -> None:
        html = html_heat_strip([HeatRow("BTC", [HeatCell(HOSTILE, 1.0), HeatCell("d2", None), HeatCell("d3", 9)])], legend="l")
        seen = Reader(html)
        assert [attributes["aria-label"] for tag, attributes in seen.elements if tag == "svg"] == ["BTC: 2 of 3 present"]
        assert [attributes.get("opacity") for tag, attributes in seen.elements if tag == "rect"] == ["1.0", "0.14", None, "1.0"]
        assert "script" not in seen.tags

    def test_steps_carry_their_amounts_and_escape_them(self) -> None:
        seen = Reader(html_steps([Step("discover", "214", "archives"), Step("copy", HOSTILE, note=HOSTILE, tone="bad")]))
        assert seen.words == ["discover", "214", "archives", "copy", HOSTILE, HOSTILE]
        assert "script" not in seen.tags

    @pytest.mark.parametrize(
        "html",
        [
            html_bars([Bar("a", 1.0)]),
            html_line([1, 2], below=[1, 2]),
            html_heat_strip([HeatRow("a", [HeatCell("d", 0.5), HeatCell("e", None)])]),
            html_steps([Step("discover", "3"), Step("copy", "2", note="1 refused", tone="bad")], caption="c"),
            html_table([[1]], ["n"]),
            html_card("t", {"a": 1}),
        ],
    )
    def test_markup_is_well_formed_and_fetches_nothing(self, html: str) -> None:
        ET.fromstring(html)
        assert not re.search(r"https?://|url\(|@import|<script|src=", html)
