"""The watchdog is started beside every server: it must stay small and need nothing."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from lakehouse_sdk.servers import watchdog


def test_it_imports_nothing_but_light_parts_of_the_standard_library() -> None:
    """It runs with `-I -S`: neither this package nor any other is on its path."""
    tree = ast.parse(Path(watchdog.__file__).read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
    assert imported <= set(sys.stdlib_module_names)
    assert imported == {"contextlib", "os", "select", "shutil", "signal", "sys", "time"}
