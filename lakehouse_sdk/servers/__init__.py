"""Where bytes rest, for one machine: embedded servers.

Belongs here: finding, building, starting, probing and stopping S3 servers (MinIO, SeaweedFS) and the Prefect server, each as a
process of its own. Must not: requests to them beyond the health probe; any settings but those handed in. Read `ServerProcess`
first, then `S3Server`.

```
programs ─► build ─► toolchain       programs: found, MinIO else built once; `choice` says which server it is
process ──► child ─► watchdog        one server on a folder and a port ─► a program that cannot outlive its starter
   ▲        record, lock, ports      which process serves a folder; who else does; who answers
s3 ◄── minio, seaweedfs; prefect
   ▲
layout ◄── stack                     one folder for all of them ◄─ those that outlive their starter (`lakehouse up`)
       ◄── local                                                ◄─ those that do not (`lakehouse_sdk.local`)
```
"""

from lakehouse_sdk.servers.choice import choose_server, find_named_program, make_server
from lakehouse_sdk.servers.layout import StackFolder
from lakehouse_sdk.servers.local import LocalServers
from lakehouse_sdk.servers.minio import MinioServer
from lakehouse_sdk.servers.prefect import PrefectServer
from lakehouse_sdk.servers.process import ServerProcess
from lakehouse_sdk.servers.programs import ensure_minio, find_minio, find_seaweedfs
from lakehouse_sdk.servers.s3 import S3Server
from lakehouse_sdk.servers.seaweedfs import SeaweedServer
from lakehouse_sdk.servers.stack import ServerStatus, StackStatus, get_stack_status, start_stack, stop_stack

__all__ = [
    "LocalServers",
    "MinioServer",
    "PrefectServer",
    "S3Server",
    "SeaweedServer",
    "ServerProcess",
    "ServerStatus",
    "StackFolder",
    "StackStatus",
    "choose_server",
    "ensure_minio",
    "find_minio",
    "find_named_program",
    "find_seaweedfs",
    "get_stack_status",
    "make_server",
    "start_stack",
    "stop_stack",
]
