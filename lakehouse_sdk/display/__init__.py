"""Ground: how results look, as HTML in a notebook and as text in a terminal.

Belongs here: templates, formatting of numbers and bytes, small inline charts. Must not: knowledge of any stage; callers hand
over plain values.

Read `html_table` first. Everything that becomes HTML is escaped unless it is already `Markup`, so a hostile object key is
shown and never run. The markup needs no JavaScript and no other file, follows the colours of the page around it, and still
reads where a viewer drops styles, as GitHub does.
"""

from lakehouse_sdk.display.charts import Bar, HeatCell, HeatRow, Step, html_bars, html_heat_strip, html_line, html_steps
from lakehouse_sdk.display.html import html_card, html_table, render
from lakehouse_sdk.display.numbers import NOTHING, format_bytes, format_count, format_duration, format_rate, format_share
from lakehouse_sdk.display.text import printable_text, text_table

__all__ = [
    "NOTHING",
    "Bar",
    "HeatCell",
    "HeatRow",
    "Step",
    "format_bytes",
    "format_count",
    "format_duration",
    "format_rate",
    "format_share",
    "html_bars",
    "html_card",
    "html_heat_strip",
    "html_line",
    "html_steps",
    "html_table",
    "printable_text",
    "render",
    "text_table",
]
