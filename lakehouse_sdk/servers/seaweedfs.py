"""An embedded SeaweedFS."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from lakehouse_sdk.servers.ports import LOOPBACK, choose_ports
from lakehouse_sdk.servers.process import needed_environment
from lakehouse_sdk.servers.programs import find_seaweedfs
from lakehouse_sdk.servers.record import write_private
from lakehouse_sdk.servers.s3 import S3Server, ensure_credentials

_SOCKETS = Path("/tmp")  # noqa: S108 (where SeaweedFS puts them, whatever it is told)
_USER = "lakehouse"


class SeaweedServer(S3Server):
    """A SeaweedFS with one volume server, for one machine; several run side by side.

    Its folder holds `data/` (the buckets), `seaweedfs.log`, `credentials.json` and `s3.json` (0600, its keys) and `server.json`
    (which process serves it). Eight ports beside the S3 one serve its parts to each other, all on 127.0.0.1: over HTTP they ask
    for a token that is made anew at each start, over gRPC they trust whoever is on this machine, so share it with nobody you
    would not give the data to. Admin page, WebDAV, telemetry and catalogues are off. Arguments as `S3Server`.
    """

    name = "SeaweedFS"
    health_path = "/status"

    def _prepare(self) -> None:
        self._program = find_seaweedfs(self._program)
        (self._folder / "data").mkdir(exist_ok=True)
        self._keys = ensure_credentials(self._folder)
        key = {"accessKey": self._keys[0], "secretKey": self._keys[1]}
        identity = {"name": _USER, "credentials": [key], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        write_private(self._folder / "s3.json", json.dumps({"identities": [identity]}))

    def _command(self, port: int) -> list[str]:
        parts = list(_list_parts())
        others = [other for other in choose_ports(len(parts) + 1) if other != port]
        self._ports = {**dict(zip(parts, others, strict=False)), "s3.port": port}
        options = {
            "dir": self._folder / "data",
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            **self._ports,
            "s3.config": self._folder / "s3.json",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "admin.ui": "false",
            "webdav": "false",
            "master.telemetry": "false",
            "volume.max": 0,  # as many as the disk has room for
            "volume.preStopSeconds": 0,
        }
        log = ["-logtostderr=true", "-v=0"]
        return [str(self._program), *log, "mini", *(f"-{name}={value}" for name, value in options.items())]

    def _environment(self, port: int) -> Mapping[str, str]:
        del port
        token = secrets.token_hex(16)
        doors = ("JWT_SIGNING", "JWT_SIGNING_READ", "JWT_FILER_SIGNING", "JWT_FILER_SIGNING_READ")
        return {
            **needed_environment(),
            "HOME": str(self._folder),  # where it looks for configuration
            **{f"WEED_{door}_KEY": token for door in doors},
        }

    def _is_port_conflict(self, log: str) -> bool:
        return "address already in use" in log

    def stop(self) -> None:
        """As `ServerProcess.stop`; its sockets go too."""
        ports = getattr(self, "_ports", {})
        was_running = self._child is not None
        super().stop()
        if was_running:
            for port in ports.values():
                for socket in _SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                    with contextlib.suppress(OSError):
                        socket.unlink()


def _list_parts() -> Iterator[str]:
    for part in ("master", "volume", "filer", "admin"):
        yield f"{part}.port"
        yield f"{part}.port.grpc"
    yield "s3.port.grpc"
