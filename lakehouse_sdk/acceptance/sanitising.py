"""What a report shows of a notebook is read and never run: scripts, frames and handlers go, whoever put them into an output."""

from __future__ import annotations

import re

from bs4 import BeautifulSoup

CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
)
"""The page's own rule for the browser: styles and pictures that are in it, and nothing that runs or is fetched."""
_NAME = re.compile(r"[a-z][a-z0-9:-]*", re.ASCII | re.IGNORECASE)
_ACTIVE = (
    *("script", "iframe", "frame", "frameset", "object", "embed", "applet", "link", "meta", "base", "form", "input", "button"),
    *("portal", "template", "noscript", "animate", "set", "animatemotion", "animatetransform", "foreignobject", "use"),
)
_ADDRESSES = ("href", "src", "xlink:href", "action", "formaction", "poster", "background", "data", "srcset", "ping", "srcdoc")
_HARMLESS = (
    "https://",
    "http://",
    "mailto:",
    "#",
    "data:image/png",
    "data:image/jpeg",
    "data:image/gif",
    "data:image/svg+xml;base64",
)


def remove_active(html: str) -> str:
    """The markup without elements that run, load or send anything, and without handlers and addresses of code."""
    soup = BeautifulSoup(html, "html.parser")
    for element in soup.find_all(_ACTIVE):
        element.decompose()
    for element in soup.find_all(lambda _: True):
        if not _NAME.fullmatch(element.name):
            element.unwrap()
            continue
        for name, value in list(element.attrs.items()):
            text = "".join((value if isinstance(value, str) else " ".join(value)).split()).lower()
            runs = name.lower().startswith("on")
            leads = name.lower() in _ADDRESSES and not text.startswith(_HARMLESS)
            if runs or leads or "javascript:" in text or "expression(" in text:
                del element.attrs[name]
    return str(soup)
