"""How each client is told to do each kind of work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trees import Site

PROGRAMS = Path(__file__).parent / "programs"
OURS = "lakehouse"
BY_S5CMD, BY_OWN_REQUESTS = f"{OURS} by s5cmd", f"{OURS} by own requests"


@dataclass(frozen=True)
class Job:
    """One piece of work, laid out: where from, where to.

    Attributes:
        a: The server that is read, or the only one.
        b: The other server.
        source: Bucket, or folder for an upload.
        target: Bucket, or folder for a download.
        scratch: A folder for what passes this machine.
    """

    a: Site
    b: Site
    source: str
    target: str
    scratch: Path


Command = list[str]
Commands = Callable[[Job], list[Command]]


@dataclass(frozen=True)
class Client:
    """A client and the kinds of work it can do.

    Attributes:
        name: As in the tables.
        program: The peer that it needs, empty for Python programs.
        works: By kind of work, the commands (one after another).
        env: Its credentials and settings, never in its arguments.
    """

    name: str
    program: str
    works: Mapping[str, Commands] = field(default_factory=dict)
    env: Callable[[Job], dict[str, str]] = lambda _: {}


def list_clients(peers: Mapping[str, Path]) -> list[Client]:
    """All clients that can run here."""
    found = [_lakehouse(), *_lakehouse_one_way(), _s3fs()]
    builders = {"s5cmd": _s5cmd, "rclone": _rclone, "mc": _mc, "aws": _aws}
    found += [client for name, build in builders.items() if name in peers for client in build(str(peers[name]))]
    return found


def base_env(scratch: Path) -> dict[str, str]:
    """No setting of the user counts, but where programs and libraries are."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    return {**kept, "HOME": str(scratch), "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1"}


def _keys(site: Site) -> tuple[str, str]:
    return site.server.profile.credentials()


def _lakehouse() -> Client:
    program = str(PROGRAMS / "lakehouse_sync.py")

    def env(job: Job) -> dict[str, str]:
        values: dict[str, str] = {}
        for group, site in (("STORAGE", job.a), ("PROFILES__OTHER", job.b)):
            access_key, secret_key = _keys(site)
            values[f"LAKEHOUSE_{group}__ENDPOINT_URL"] = site.server.endpoint_url
            values[f"LAKEHOUSE_{group}__ACCESS_KEY"] = access_key
            values[f"LAKEHOUSE_{group}__SECRET_KEY"] = secret_key
        return values

    def sync(source: str, target: str) -> Commands:
        return lambda job: [
            [sys.executable, program, "sync", source.format(job.source), target.format(job.target)],
        ]

    inside = sync("lakehouse://{}", "lakehouse://{}")
    works = {
        "upload": sync("{}", "lakehouse://{}"),
        "download": sync("lakehouse://{}", "{}"),
        "one endpoint": inside,
        "two endpoints": sync("lakehouse://{}", "lakehouse://other@{}"),
        "nothing to do": inside,
        "changed": inside,
    }
    return Client(OURS, "", works, env)


def _lakehouse_one_way() -> list[Client]:
    """Files of all sizes by s5cmd, and by own requests: what decides where the border between the two lies."""
    ours = _lakehouse()
    works = {name: ours.works[name] for name in ("upload", "download")}

    def fix(least_bytes: int) -> Callable[[Job], dict[str, str]]:
        return lambda job: {**ours.env(job), "LAKEHOUSE_TRANSFER__S5CMD_MIN_BYTES": str(least_bytes)}

    return [Client(BY_S5CMD, "", works, fix(0)), Client(BY_OWN_REQUESTS, "", works, fix(1 << 60))]


def _s3fs() -> Client:
    program = str(PROGRAMS / "s3fs_copy.py")

    def call(verb: str, *, staged: bool = False) -> Commands:
        return lambda job: [
            [sys.executable, program, verb, job.source, job.target, *([str(job.scratch / "staged")] if staged else [])]
        ]

    works = {
        "upload": call("put"),
        "download": call("get"),
        "one endpoint": call("copy"),
        "traditional": call("staged", staged=True),
        "two endpoints": call("staged-there", staged=True),
    }
    return Client("s3fs", "", works, _site_env)


def loop_command(job: Job) -> Command:
    """The per-object loop, for its requests."""
    return [sys.executable, str(PROGRAMS / "object_loop.py"), job.source, job.target]


def _site_env(job: Job) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, site in (("SITE_A", job.a), ("SITE_B", job.b)):
        access_key, secret_key = _keys(site)
        values |= {f"{name}_URL": site.server.endpoint_url, f"{name}_KEY": access_key, f"{name}_SECRET": secret_key}
    return values


loop_env = _site_env


def _both(site_of: Callable[[Job], Site]) -> Callable[[Job], dict[str, str]]:
    def env(job: Job) -> dict[str, str]:
        access_key, secret_key = _keys(site_of(job))
        return {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key}

    return env


def _s5cmd(program: str) -> list[Client]:
    def call(*arguments: str) -> list[str]:
        return [program, "--log", "error", *arguments]

    def url(site: Site) -> list[str]:
        return ["--endpoint-url", site.server.endpoint_url]

    works: dict[str, Commands] = {
        "upload": lambda job: [call(*url(job.a), "cp", f"{job.source}/", f"s3://{job.target}/")],
        "download": lambda job: [call(*url(job.a), "cp", f"s3://{job.source}/*", f"{job.target}/")],
        "one endpoint": lambda job: [call(*url(job.a), "cp", f"s3://{job.source}/*", f"s3://{job.target}/")],
        "nothing to do": lambda job: [call(*url(job.a), "sync", f"s3://{job.source}/*", f"s3://{job.target}/")],
        "traditional": lambda job: [
            call(*url(job.a), "cp", f"s3://{job.source}/*", f"{job.scratch}/staged/"),
            call(*url(job.a), "cp", f"{job.scratch}/staged/", f"s3://{job.target}/"),
        ],
    }
    return [Client("s5cmd", "s5cmd", works, _both(lambda job: job.a))]


def _aws(program: str) -> list[Client]:
    def call(job: Job, verb: str, source: str, target: str) -> list[str]:
        recursive = ["--recursive"] if verb == "cp" else []
        return [
            program,
            "--endpoint-url",
            job.a.server.endpoint_url,
            "s3",
            verb,
            *recursive,
            "--only-show-errors",
            source,
            target,
        ]

    works: dict[str, Commands] = {
        "upload": lambda job: [call(job, "cp", job.source, f"s3://{job.target}/")],
        "download": lambda job: [call(job, "cp", f"s3://{job.source}/", job.target)],
        "one endpoint": lambda job: [call(job, "cp", f"s3://{job.source}/", f"s3://{job.target}/")],
        "nothing to do": lambda job: [call(job, "sync", f"s3://{job.source}/", f"s3://{job.target}/")],
        "traditional": lambda job: [
            call(job, "cp", f"s3://{job.source}/", str(job.scratch / "staged")),
            call(job, "cp", str(job.scratch / "staged"), f"s3://{job.target}/"),
        ],
    }
    return [Client("aws", "aws", works, _both(lambda job: job.a))]


def _rclone(program: str) -> list[Client]:
    def env(job: Job) -> dict[str, str]:
        values = {"RCLONE_CONFIG": "/dev/null"}
        for name, site in (("A", job.a), ("B", job.b)):
            access_key, secret_key = _keys(site)
            values |= {
                f"RCLONE_CONFIG_{name}_TYPE": "s3",
                f"RCLONE_CONFIG_{name}_PROVIDER": "Minio",
                f"RCLONE_CONFIG_{name}_ENDPOINT": site.server.endpoint_url,
                f"RCLONE_CONFIG_{name}_ACCESS_KEY_ID": access_key,
                f"RCLONE_CONFIG_{name}_SECRET_ACCESS_KEY": secret_key,
            }
        return values

    def call(source: str, target: str, *verb: str) -> Commands:
        tuned = ["--transfers", "32", "--checkers", "32", "--fast-list", "--s3-no-check-bucket"]
        return lambda job: [[program, *(verb or ("copy",)), *tuned, source.format(job.source), target.format(job.target)]]

    works = {
        "upload": call("{}", "a:{}"),
        "download": call("a:{}", "{}"),
        "one endpoint": call("a:{}", "a:{}"),
        "two endpoints": call("a:{}", "b:{}"),
        # By hash, as its manual advises between two S3 buckets: by time it rewrites what it did not copy itself.
        "nothing to do": call("a:{}", "a:{}", "sync", "--checksum"),
    }
    return [Client("rclone", "rclone", works, env)]


def _mc(program: str) -> list[Client]:
    def env(job: Job) -> dict[str, str]:
        values = {"MC_CONFIG_DIR": str(job.scratch / "mc")}
        for name, site in (("a", job.a), ("b", job.b)):
            access_key, secret_key = _keys(site)
            values[f"MC_HOST_{name}"] = site.server.endpoint_url.replace("://", f"://{access_key}:{secret_key}@")
        return values

    def call(source: str, target: str, *verb: str) -> Commands:
        return lambda job: [[program, "--quiet", *verb, source.format(job.source), target.format(job.target)]]

    copy = ("cp", "--recursive")
    works = {
        "upload": call("{}/", "a/{}/", *copy),
        "download": call("a/{}/", "{}/", *copy),
        "one endpoint": call("a/{}/", "a/{}/", *copy),
        "two endpoints": call("a/{}/", "b/{}/", "mirror"),
        "nothing to do": call("a/{}/", "a/{}/", "mirror"),
    }
    return [Client("mc", "mc", works, env)]
