"""The top of the command line: a table instead of imports, and the table is true."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lakehouse_sdk.cli.lazy import COMMANDS, load_command


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    """What `lakehouse --help` shows of a command is the first paragraph of the command's own help."""
    own = load_command(name).help.partition("\n\n")[0]
    assert " ".join(own.split()) == COMMANDS[name].help


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_asking_for_help_loads_no_settings_and_no_library(argument: str) -> None:
    program = f"""
import json, sys
sys.argv = ["lakehouse", {argument!r}]
from lakehouse_sdk.cli import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code, sorted({{name.partition(".")[0] for name in sys.modules}})]), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    code, loaded = json.loads(done.stderr)
    assert code == 0
    assert not set(loaded) & {"pydantic", "sqlalchemy", "botocore", "polars", "pyarrow", "pandas", "s3fs", "prefect"}
