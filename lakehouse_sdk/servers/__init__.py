"""Where bytes rest, for one machine: embedded servers.

Belongs here: finding, building, starting, probing and stopping MinIO and the Prefect server, each as a process of its own. Must
not: requests to them beyond the health probe. Read `ServerProcess` first, then `MinioServer`.
"""

from lakehouse_sdk.servers.minio import MinioServer
from lakehouse_sdk.servers.process import ServerProcess
from lakehouse_sdk.servers.programs import ensure_minio, find_minio

__all__ = ["MinioServer", "ServerProcess", "ensure_minio", "find_minio"]
