"""`watch` in a real kernel: lines where a notebook is executed, a widget whose button cancels where a person sits."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from lakehouse_sdk.acceptance.kernel import PrivateKernel
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client

MIB = 1024**2


def start_cell(minio: MinioServer, bucket: str, folder: Path, rate_bytes: int) -> str:
    """A cell that begins a download; credentials come from the environment, as a user's."""
    return (
        "from lakehouse_sdk.config import load_settings\n"
        "from lakehouse_sdk.notebook import watch\n"
        "from lakehouse_sdk.transfer import plan_transfer, start_transfer\n"
        f"settings = load_settings(transfer={{'max_bytes_per_s': {rate_bytes}}})\n"
        f"plan = plan_transfer('s3://{bucket}', {str(folder)!r}, settings=settings)\n"
        "run = start_transfer(plan, settings=settings)\n"
        "watch(run)"
    )


async def execute(notebook: nbformat.NotebookNode, *, attended: bool, click: bool = False) -> NotebookClient:
    """Run all cells as nbclient does, or as a front end with a person; click the only button after the first cell."""
    with PrivateKernel() as kernel:
        client = NotebookClient(notebook, km=kernel.manager_class(), timeout=60)
        try:
            async with client.async_setup_kernel():
                if attended:
                    client.kc.stdin_channel.start()
                    client.kc.allow_stdin = True
                for number, cell in enumerate(notebook.cells):
                    await client.async_execute_cell(cell, number)
                    if click and number == 0:
                        _click_button(client)
        finally:
            client.kc.stop_channels()
            client.kc.context.destroy()
            await client.km.shutdown_kernel(now=True)
        return client


def _click_button(client: NotebookClient) -> None:
    (button,) = [key for key, state in client.widget_state.items() if state["_model_name"] == "ButtonModel"]
    content = {"comm_id": button, "data": {"method": "custom", "content": {"event": "click"}}}
    client.kc.shell_channel.send(client.kc.session.msg("comm_msg", content))


def outputs(notebook: nbformat.NotebookNode, number: int) -> list[Any]:
    return list(notebook.cells[number].outputs)


def set_environment(minio: MinioServer, monkeypatch: Any, home: Path) -> None:
    access_key, secret_key = minio.profile.credentials()
    monkeypatch.setenv("LAKEHOUSE_STORAGE__ENDPOINT_URL", minio.endpoint_url)
    monkeypatch.setenv("LAKEHOUSE_STORAGE__ACCESS_KEY", access_key)
    monkeypatch.setenv("LAKEHOUSE_STORAGE__SECRET_KEY", secret_key)
    monkeypatch.setenv("HOME", str(home))


def test_executed_without_a_person_it_is_lines_that_end_with_the_run(
    minio: MinioServer, s3: S3Client, bucket: str, tmp_path: Path, monkeypatch: Any
) -> None:
    set_environment(minio, monkeypatch, tmp_path)
    s3.put_bytes(bucket, "large", bytes(12 * MIB))
    cells = [start_cell(minio, bucket, tmp_path / "down", 8 * MIB), "print(run.done())"]
    notebook = new_notebook(cells=[new_code_cell(text) for text in cells])
    asyncio.run(execute(notebook, attended=False))
    assert all(output.output_type == "stream" for output in outputs(notebook, 0))
    text = "".join(output.text for output in outputs(notebook, 0))
    assert text.startswith("copy: lakehouse://")
    assert "copy: direct: 1 done; 12,582,912 bytes" in text
    assert "".join(output.text for output in outputs(notebook, 1)) == "True\n"


def test_before_a_person_it_is_a_widget_and_its_button_cancels(
    minio: MinioServer, s3: S3Client, bucket: str, tmp_path: Path, monkeypatch: Any
) -> None:
    set_environment(minio, monkeypatch, tmp_path)
    s3.put_bytes(bucket, "large", bytes(60 * MIB))
    cells = [
        start_cell(minio, bucket, tmp_path / "down", 2 * MIB),
        "import time\ntime.sleep(1)",  # the click is handled before this cell, or beside it
        "report = run.result(30)\nprint(report.cancelled, run.cancelled())",
        "run",
    ]
    notebook = new_notebook(cells=[new_code_cell(text) for text in cells])
    asyncio.run(execute(notebook, attended=True, click=True))
    assert len(outputs(notebook, 0)) == 1  # the widget, later the report in its place
    assert "".join(output.text for output in outputs(notebook, 2)) == "True True\n"
    (card,) = outputs(notebook, 3)
    assert "cancelled" in card.data["text/html"]
