"""A real MinIO of four machines on one: each node in a network and a mount namespace of its own.

No namespace has a name and no mount is seen from outside, so the kernel removes all of it with the last process in it; and the
processes end with the one that started them, however that ends.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from pydantic import SecretStr

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import ServerError
from lakehouse_sdk.servers import ensure_minio
from lakehouse_sdk.servers.child import Child
from lakehouse_sdk.servers.folders import read_tail

_NODES = 4
_DRIVES = 4
_PORT = 9000
_START_TIMEOUT_S = 120.0
_GRACE_S = 5.0
_NETWORKS = list(ipaddress.IPv4Network("198.18.0.0/15").subnets(new_prefix=24))
"""Addresses that are set aside for tests of network devices: nobody's own network."""

# $1: process whose network is joined to the switch, $2: the name of its end, $3: its address.
_SWITCH = """
set -eu
ip link set lo up
ip link add switch type bridge
ip link set switch up
ip link add host type veth peer name "$2" netns "$1"
ip link set host master switch up
nsenter --net="/proc/$1/ns/net" ip addr add "$3" dev "$2"
nsenter --net="/proc/$1/ns/net" ip link set "$2" up
exec sleep infinity
"""
# $1: process of the switch, $2: the name of its port, $3: the address, $4: this node's drives, $5: where each node mounts its.
_NODE = """
set -eu
mount --make-rprivate /
mount --bind "$4" "$5"
ip link set lo up
ip link add eth0 type veth peer name "$2" netns "$1"
ip addr add "$3" dev eth0
ip link set eth0 up
nsenter --net="/proc/$1/ns/net" ip link set "$2" master switch up
shift 5
exec "$@"
"""


def find_cluster_obstacle() -> str:
    """Why no cluster can be started here; empty where one can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in ("ip", "unshare", "nsenter") if shutil.which(name) is None]
    return f"the programs {', '.join(missing)} are missing (Debian: iproute2, util-linux)" if missing else ""


class MinioCluster:
    """Four MinIO nodes with four drives each: any one of them may die, and every object stays readable and writable.

    A context manager; the folder is removed at the end, and nothing else is left, even after kill -9. The client's requests go
    to node 0, so kill another one.

    Raises:
        ServerError: It cannot be started here (`find_cluster_obstacle`), or did not come up.
    """

    def __init__(self) -> None:
        self._keys = (secrets.token_hex(10), secrets.token_hex(20))
        self._network = _choose_network()
        self._nodes: list[Child | None] = [None] * _NODES
        self._ports = iter(range(1_000_000))

    def __enter__(self) -> Self:
        if obstacle := find_cluster_obstacle():
            raise ServerError(f"A MinIO cluster cannot be started here: {obstacle}.")
        with ExitStack() as stack:
            self._folder = Path(tempfile.mkdtemp(prefix="lakehouse-cluster-"))
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            self._mount = self._folder / "drives"
            self._mount.mkdir()
            self._program = ensure_minio()
            self._switch = self._start_switch()
            stack.callback(self._switch.stop)
            stack.callback(self._stop_nodes)
            for number in range(_NODES):
                self._start(number)
            self._await_health()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    @property
    def endpoint_url(self) -> str:
        """The S3 address of node 0."""
        return f"http://{self._address(0)}:{_PORT}"

    @property
    def profile(self) -> S3Profile:
        """The S3 profile of its root user, by way of node 0."""
        access_key, secret_key = self._keys
        return S3Profile(endpoint_url=self.endpoint_url, access_key=SecretStr(access_key), secret_key=SecretStr(secret_key))

    def kill(self, number: int) -> None:
        """End node `number` by SIGKILL, with its network; returns when it is gone.

        Its connections break off, and new ones to its address get no answer at all, as when a machine loses its power.
        """
        node = self._nodes[number]
        assert node is not None, f"node {number} does not run"
        os.kill(node.pid, signal.SIGKILL)
        deadline_s = time.monotonic() + _GRACE_S
        while node.poll() is None:
            assert time.monotonic() < deadline_s, f"node {number} does not die"
            time.sleep(0.01)
        node.stop()
        self._nodes[number] = None

    def restart(self, number: int) -> None:
        """Start a killed node again on its drives, and wait until the cluster is whole."""
        assert self._nodes[number] is None, f"node {number} runs"
        self._start(number)
        self._await_health()

    def _address(self, number: int) -> str:
        return str(self._network[number + 1])

    def _start_switch(self) -> Child:
        arguments = [str(os.getpid()), f"lh{os.getpid()}", f"{self._network[254]}/24"]
        command = ["unshare", "--net", "--mount", "sh", "-c", _SWITCH, "switch", *arguments]
        switch = Child(
            command, env=_plain_environment(), log_file=self._folder / "switch.log", grace_s=0.1, remove=self._folder
        )
        deadline_s = time.monotonic() + _GRACE_S
        while str(self._network[254]) not in _list_addresses():
            if switch.poll() is not None or time.monotonic() > deadline_s:
                switch.stop()
                raise ServerError(f"The cluster's network did not come up: {read_tail(self._folder / 'switch.log')}")
            time.sleep(0.02)
        return switch

    def _start(self, number: int) -> None:
        drives = self._folder / f"node{number}"
        for drive in range(1, _DRIVES + 1):
            (drives / f"d{drive}").mkdir(parents=True, exist_ok=True)
        base, _, _ = self._address(0).rpartition(".")  # MinIO expands the ellipses itself
        volumes = f"http://{base}.{{1...{_NODES}}}:{_PORT}{self._mount}/d{{1...{_DRIVES}}}"
        arguments = [
            str(self._switch.pid),
            f"port{next(self._ports)}",
            f"{self._address(number)}/24",
            str(drives),
            str(self._mount),
        ]
        minio = [
            str(self._program),
            "server",
            "--quiet",
            "--anonymous",
            "--address",
            f"{self._address(number)}:{_PORT}",
            volumes,
        ]
        access_key, secret_key = self._keys
        env = {
            **_plain_environment(),
            "HOME": str(drives),
            "MINIO_ROOT_USER": access_key,
            "MINIO_ROOT_PASSWORD": secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_CI_CD": "1",  # or it refuses drives that share a disk with the system
            "MINIO_STORAGE_CLASS_STANDARD": "EC:4",
        }
        command = ["unshare", "--net", "--mount", "sh", "-c", _NODE, "node", *arguments, *minio]
        self._nodes[number] = Child(command, env=env, log_file=self._log(number), grace_s=_GRACE_S)

    def _log(self, number: int) -> Path:
        return self._folder / f"node{number}.log"

    def _stop_nodes(self) -> None:
        for node in self._nodes:
            if node is not None:
                if node.poll() is None:
                    os.kill(node.pid, signal.SIGKILL)
                node.stop()
        self._nodes = [None] * _NODES

    def _await_health(self) -> None:
        """Wait until every node that runs says that the whole cluster can be written."""
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        for number, node in enumerate(self._nodes):
            if node is None:
                continue
            while not _is_healthy(self._address(number)):
                if node.poll() is not None or time.monotonic() > deadline_s:
                    raise ServerError(f"Node {number} of the cluster did not come up: {read_tail(self._log(number))}")
                time.sleep(0.1)


def _choose_network() -> ipaddress.IPv4Network:
    """A network of addresses for tests that no interface of this machine is in."""
    taken = [ipaddress.IPv4Address(address) for address in _list_addresses()]
    return secrets.choice([network for network in _NETWORKS if not any(address in network for address in taken)])


def _list_addresses() -> Iterator[str]:
    for addresses in psutil.net_if_addrs().values():
        yield from (str(address.address) for address in addresses if address.family is socket.AF_INET)


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("MINIO_", "_MINIO_"))}


def _is_healthy(address: str) -> bool:
    connection = http.client.HTTPConnection(address, _PORT, timeout=2)
    try:
        connection.request("GET", "/minio/health/cluster")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
