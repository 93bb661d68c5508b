"""Ports on the loopback interface, and who answers there."""

from __future__ import annotations

import contextlib
import http.client
import socket

import psutil

LOOPBACK = "127.0.0.1"


def choose_port() -> int:
    """A port that is free now; somebody may take it before it is used, so a start must be ready to try again."""
    return choose_ports(1)[0]


def choose_ports(count: int) -> list[int]:
    """As `choose_port`, so many different ones: a port that was let go is soon given out again."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def is_free(port: int) -> bool:
    """True where nobody listens on `port`, on this interface or on all of them, by IPv4 or IPv6 (MinIO takes both)."""
    return _can_bind(socket.AF_INET, LOOPBACK, port) and (not _HAS_IPV6 or _can_bind(socket.AF_INET6, "::1", port))


def _can_bind(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return False
    return True


_HAS_IPV6 = _can_bind(socket.AF_INET6, "::1", 0)


def listens(pid: int, port: int) -> bool:
    """True where process `pid` or one of its children listens on `port`; also True where the system does not tell."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for member in family
            for connection in member.net_connections(kind="tcp")
        )
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def answers(port: int, path: str, *, timeout_s: float = 2.0) -> bool:
    """True where `GET path` on `port` is answered with 200; no proxy is asked."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
