"""Where bytes rest, for one machine: embedded servers.

Belongs here: finding, building, starting, probing and stopping MinIO and the Prefect server, each as a process of its own. Must
not: requests to them beyond the health probe; any settings but those handed in. Read `ServerProcess` first, then `MinioServer`.

```
programs ─► build ─► toolchain       MinIO's program: found, else built once
process ──► child ─► watchdog        one server on a folder and a port ─► a program that cannot outlive its starter
   ▲        record, lock, ports      which process serves a folder; who else does; who answers
minio, prefect
   ▲
layout ◄── stack                     one folder for all of them ◄─ those that outlive their starter (`lakehouse up`)
       ◄── local                                                ◄─ those that do not (`lakehouse_sdk.local`)
```
"""

from lakehouse_sdk.servers.local import LocalServers
from lakehouse_sdk.servers.minio import MinioServer
from lakehouse_sdk.servers.prefect import PrefectServer
from lakehouse_sdk.servers.process import ServerProcess
from lakehouse_sdk.servers.programs import ensure_minio, find_minio
from lakehouse_sdk.servers.stack import ServerStatus, StackStatus, get_stack_status, start_stack, stop_stack

__all__ = [
    "LocalServers",
    "MinioServer",
    "PrefectServer",
    "ServerProcess",
    "ServerStatus",
    "StackStatus",
    "ensure_minio",
    "find_minio",
    "get_stack_status",
    "start_stack",
    "stop_stack",
]
