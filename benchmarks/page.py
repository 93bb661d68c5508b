"""docs/reference/benchmarks.md, of which each benchmark writes a section of its own."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
_HEAD = """# Benchmarks

Made by `make bench`. Only ratios carry over to other machines.
"""
_SECTIONS = ("start", "transfers", "archives", "tables")
"""In the order of the page."""


def replace_section(name: str, text: str) -> None:
    """Write one section; the others stay as they are."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    sections = {key: _find(old, key) for key in _SECTIONS} | {name: text.strip()}
    parts = [f"<!-- {key} -->\n\n{body}\n\n<!-- end of {key} -->" for key, body in sections.items() if body]
    PAGE.write_text("\n".join([_HEAD, "\n\n".join(parts), ""]), encoding="utf-8")
    print(f"Written: {PAGE.relative_to(ROOT)}")


def _find(page: str, name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end of {name} -->", page, re.DOTALL)
    return found[1].strip() if found else ""


def describe_machine() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", cpuinfo.read_text(encoding="utf-8")) if cpuinfo.exists() else None
    memory_gib = psutil.virtual_memory().total / 1024**3
    name = model[1] if model else platform.processor() or platform.machine()
    parts = [
        f"{os.cpu_count()} cores ({name})",
        f"{memory_gib:.0f} GiB",
        platform.system(),
        f"Python {platform.python_version()}",
    ]
    return f"{', '.join(parts)}, with a load average of {os.getloadavg()[0]:.1f} from other work at the start"
