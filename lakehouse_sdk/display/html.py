"""HTML for results: tables, cards, and templates of other packages rendered under the same rules."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse_sdk.display.cells import Row, columns_of, is_amount, is_number, text_of, value_at
from lakehouse_sdk.display.numbers import format_bytes, format_count, format_duration, format_rate

_LONGEST_WORD = 30
_LONGEST_LINE = 48

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup


def html_table(
    rows: Iterable[Row],
    columns: Sequence[str] | Mapping[str, str] | None = None,
    *,
    caption: str = "",
    max_rows: int = 50,
) -> Markup:
    """Rows as an HTML table; text is escaped, numbers stand to the right, None is a dash.

    Args:
        rows: Mappings by column name, or sequences in column order. A cell of type `Markup` is taken as HTML.
        columns: Names in order, or name → heading; default: the names of the first row.
        caption: One line above the table.
        max_rows: Rows shown; a last line says how many more there are.
    """
    table = list(rows)
    names = columns_of(table, columns)
    shown = [[value_at(row, name, position) for position, name in enumerate(names)] for row in table[:max_rows]]
    numeric = [_is_numeric(row[position] for row in shown) for position in range(len(names))]
    return render(
        "display",
        "table.html.j2",
        caption=caption,
        headings=list(zip(names.values(), numeric, strict=True)),
        rows=[[(_cell(value), right) for value, right in zip(row, numeric, strict=True)] for row in shown],
        hidden=len(table) - len(shown),
    )


def html_card(title: str, facts: Mapping[str, object] | None = None, body: str = "", *, tone: str = "") -> Markup:
    """One result: a title, a line of facts, and any HTML below.

    Args:
        title: Heading, escaped.
        facts: Label → value, shown side by side; escaped.
        body: Text (escaped) or `Markup` such as an `html_table`.
        tone: `good`, `bad` or `warn` colours the edge; empty leaves it quiet. The tone is never the only sign of a state.
    """
    shown = [(label, _cell(value)) for label, value in (facts or {}).items()]
    return render("display", "card.html.j2", title=title, facts=shown, body=body, tone=tone)


def render(package: str, template: str, /, **values: object) -> Markup:
    """A template of `lakehouse_sdk/<package>/templates` with autoescape on; undefined names are errors."""
    from markupsafe import Markup  # noqa: PLC0415 - only where something is shown

    return Markup(_environment(package).get_template(template).render(**values))  # noqa: S704 - made by an autoescaping template


@functools.cache
def _environment(package: str) -> jinja2.Environment:
    import jinja2  # noqa: PLC0415 - only where something is shown

    own = jinja2.PackageLoader("lakehouse_sdk", "display/templates")
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("lakehouse_sdk", f"{package}/templates"), jinja2.PrefixLoader({"display": own})]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "long": _is_long,
        "bytes": format_bytes,
        "count": format_count,
        "duration": format_duration,
        "rate": format_rate,
    }
    environment.filters.update(filters)
    return environment


def _is_numeric(values: Iterable[object]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(is_number(value) or is_amount(value) for value in present)


def _is_long(text: str) -> bool:
    """True for sentences, which need width, and for object keys, which may be broken anywhere; short words never are."""
    return len(text) > _LONGEST_LINE or any(len(word) > _LONGEST_WORD for word in text.split())


def _cell(value: object) -> str:
    """The cell's text, still to be escaped, or its `Markup`, which the template passes through."""
    return value if isinstance(value, str) and hasattr(value, "__html__") else text_of(value)
