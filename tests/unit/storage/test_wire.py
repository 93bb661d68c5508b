"""The wire's own promises, against a socket that never answers."""

from __future__ import annotations

import re
import socket
import threading

from scripted_s3 import ScriptedServer, answer

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import ConnectError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.storage.wire import Wire


def test_an_interrupt_ends_what_waits_for_an_answer_at_once() -> None:
    """A server that is silent for ten minutes must not hold a run that was cancelled."""
    errors: list[Exception] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.settimeout(60)
        profile = S3Profile(endpoint_url=f"http://127.0.0.1:{port}", access_key="a", secret_key="b", read_timeout_s=600)
        wire = Wire(profile, max_connections=2)

        def ask(bucket: str) -> None:
            try:
                wire.send("GET", bucket, "key")
            except ConnectError as error:
                errors.append(error)

        threads = [threading.Thread(target=ask, args=(bucket,), daemon=True) for bucket in ("one", "two")]
        for thread in threads:
            thread.start()
        connections = [listener.accept()[0] for _ in threads]
        for connection in connections:  # each request is wholly under way
            while b"\r\n\r\n" not in connection.recv(65_536, socket.MSG_PEEK):
                pass
        wire.interrupt()
        for thread in threads:
            thread.join(60)
        alive = [thread for thread in threads if thread.is_alive()]
        for connection in connections:
            connection.close()
        wire.close()
    assert not alive
    assert len(errors) == 2


def test_each_request_says_who_sends_it_and_for_which_operation() -> None:
    agents = []
    with ScriptedServer(answer(body=b"x")) as server:
        for _ in range(2):
            with S3Client(server.profile) as client:
                for _ in range(2):
                    client.get_bytes("bucket", "key")
                    agents.append(server.headers["user-agent"])
        assert "user-agent" not in server.headers["authorization"].partition("SignedHeaders=")[2]
    assert all(re.fullmatch(r"lakehouse-sdk/\d+\.\d+\S* op=[0-9a-f]{16}", agent) for agent in agents)
    assert agents[0] == agents[1] != agents[2] == agents[3]
