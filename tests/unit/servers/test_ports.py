"""Free ports of the loopback interface."""

from __future__ import annotations

import socket

from lakehouse_sdk.servers import ports


def test_several_ports_are_all_different_though_the_system_gives_the_last_one_out_again(monkeypatch) -> None:
    """SeaweedFS was once given one port for two of its parts: each probe had let its port go before the next one asked."""
    given: list[int] = []

    class Socket(socket.socket):
        def bind(self, address, /) -> None:
            free = next(port for port in (41_001, 41_002, 41_003) if port not in given)
            given.append(free)
            self.port = free

        def getsockname(self):
            return "127.0.0.1", self.port

        def close(self) -> None:
            given.remove(self.port)
            super().close()

    monkeypatch.setattr(socket, "socket", Socket)
    assert ports.choose_ports(3) == [41_001, 41_002, 41_003]
    assert given == []
