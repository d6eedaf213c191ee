"""All that the matrix asks of the Docker daemon, with one clear line for each way it can fail."""

import io
import re
import signal
import tarfile
import threading
import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import docker.errors
import docker.utils
from docker import DockerClient
from docker.models.containers import Container

from command import Problem
from matrix import CellFailed, Unavailable
from matrix.explained import DISK_FULL, explained, is_full
from matrix.work import Work

# The label of everything that the matrix makes, so that `clean` finds it and nothing else.
LABEL = "mod_wsgi.matrix"

# This label distinguishes a volume from a later one of the same name.
BORN = "mod_wsgi.matrix.born"

# This label says which run a container belongs to.
RUN = "mod_wsgi.matrix.run"

# The daemon has to answer at first within some seconds, since it may be at a wrong address.
_FIRST_SECONDS = 20
_SECONDS = 600

# A shell's status of a program that a signal has ended is this and the signal.
_SIGNALLED = 128

_BLOCK = 1 << 20

# How the daemon marks a build's output on standard error.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A volume, and where it is mounted in a container."""

    volume: str
    path: str
    writable: bool = False


@dataclass(frozen=True, kw_only=True)
class Task:
    """One command, to be run in its own container."""

    image: str
    command: Sequence[str]
    mounts: Sequence[Mount]
    environment: Mapping[str, str]
    files: bytes  # a tar, unpacked into /
    memory: str
    processes: int
    seconds: int
    run: str = ""
    platform: str | None = None
    looks: bool = False  # to look into other users' processes, as the tests look into the server's


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended, and what it left in /out."""

    status: int
    out: Mapping[str, bytes]
    late: bool
    killed_for_memory: bool
    disk_full: bool = False  # as the output tells


class Client(DockerClient):
    """A client whose answers can be ended by another thread."""

    def __init__(self, *words: Any, **how: Any) -> None:
        """As Docker's own client."""
        super().__init__(*words, **how)
        self.work = Work()
        self.api.hooks["response"].append(self.work.note)


def _client(connections: int) -> Client:
    try:
        return Client(
            timeout=_FIRST_SECONDS, max_pool_size=connections, **docker.utils.kwargs_from_env()
        )
    except ValueError as error:
        raise docker.errors.DockerException(f"no address of a daemon: {error}") from error


class NotLoaded(Exception):
    """The daemon refused a file of images. The text is what it said."""


@contextmanager
def connected(most: int = 10) -> Iterator[Client]:
    """A client of the daemon that the environment names. Each error becomes one line."""
    with explained():
        client = _client(most + 4)
        try:
            client.ping()
            client.api.timeout = _SECONDS
            yield client
        finally:
            client.close()


def has_image(client: DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def image_id(client: DockerClient, name: str) -> str:
    return str(client.images.get(name).id)


def build_image(
    client: DockerClient,
    tag: str,
    context: bytes,
    log: TextIO,
    *,
    missing: str,
    platform: str | None = None,
) -> None:
    """Builds an image from a tar with its Dockerfile. The output goes to the log.

    missing is a regular expression of what is said if a package cannot be had.
    """
    steps = client.api.build(
        fileobj=io.BytesIO(context),
        custom_context=True,
        tag=tag,
        rm=True,
        forcerm=True,
        decode=True,
        labels={LABEL: "image"},
        use_config_proxy=True,
        platform=platform,
    )
    lost, full, rest = "", False, ""
    for step in steps:
        told = _COLOUR.sub("", step.get("stream", ""))
        log.write(told)
        # Docker sends what a command says in pieces, which may begin within a line.
        *lines, rest = (rest + told).split("\n")
        lost = lost or _first(missing, lines)
        full = full or is_full(told)
        if "error" in step:
            log.write(step["error"] + "\n")
            if full or is_full(step["error"]):
                raise Problem(DISK_FULL)
            name = tag.partition(":")[0]
            lost = lost or _first(missing, [rest])
            if lost:
                raise Unavailable(f"a package for the image {name} cannot be had: {lost}")
            raise CellFailed(f"the image {name} did not build")


def _first(expression: str, lines: Iterable[str]) -> str:
    """The first line that it fits, or ""."""
    return next((line.strip() for line in lines if re.search(expression, line)), "")


def saved_images(client: DockerClient, tags: Sequence[str]) -> Generator[bytes, None, None]:
    """Several images as one tar, which has the layers that they share once.

    Docker's library asks for one image at a time.
    """
    address = f"{client.api.base_url}/v{client.api.api_version}/images/get"
    with client.api.get(address, params={"names": list(tags)}, stream=True) as answer:
        answer.raise_for_status()
        yield from answer.iter_content(_BLOCK)


def load_images(client: DockerClient, blocks: Iterator[bytes]) -> None:
    """Takes in what saved_images gave."""
    api: Any = client.api
    for step in api.load_image(blocks):
        if "error" in step:
            if is_full(step["error"]):
                raise Problem(DISK_FULL)
            raise NotLoaded(step["error"].strip())


def has_volume(client: DockerClient, name: str) -> bool:
    try:
        client.volumes.get(name)
    except docker.errors.NotFound:
        return False
    return True


def make_volume(client: DockerClient, name: str) -> str:
    """Makes a volume, unless it exists. Returns what distinguishes it from any other."""
    if not has_volume(client, name):
        client.volumes.create(name, labels={LABEL: "volume", BORN: uuid.uuid4().hex})
    labels: dict[str, str] = client.volumes.get(name).attrs["Labels"] or {}
    return labels.get(BORN, "")


def volume_of_image(client: DockerClient, name: str, image: str, path: str) -> None:
    """A volume with an image's files below a path."""
    if has_volume(client, name):
        return
    make_volume(client, name)
    try:
        _fill(client, name, image, path)
    except BaseException:
        client.volumes.get(name).remove(force=True)
        raise


def _fill(client: DockerClient, name: str, image: str, path: str) -> None:
    """Docker fills a volume when a container that mounts it is made, Podman when it is started."""
    volumes = {name: {"bind": path, "mode": "rw"}}
    labels = {LABEL: "filler"}
    made = client.containers.create(
        image, ["true"], volumes=volumes, network_mode="none", labels=labels
    )
    try:
        made.start()
        status = made.wait()["StatusCode"]
    finally:
        made.remove(force=True)
    if status != 0:
        raise CellFailed(f"the volume {name} was not filled: status {status}")


def run(client: Client, task: Task, log: TextIO) -> Ended:
    """Runs a task to its end, without a network. Its output goes to the log at once."""
    with container(client, task) as made:
        timer = threading.Timer(task.seconds, _kill, [made])
        started = time.monotonic()
        try:
            made.start()
            timer.start()
            full = _follow(made, log)
            status = int(made.wait()["StatusCode"])
            late = status != 0 and time.monotonic() - started >= task.seconds
            made.reload()
            return Ended(
                status=status,
                out=_left(made),
                late=late,
                killed_for_memory=bool(made.attrs["State"].get("OOMKilled")),
                disk_full=full,
            )
        except docker.errors.NotFound as gone:
            raise CellFailed("its container was removed from outside while it ran") from gone
        finally:
            timer.cancel()


def _follow(running: Container, log: TextIO) -> bool:
    """Writes a container's output to the log. Returns whether it tells of a full disk."""
    full, last = False, ""
    for block in running.logs(stream=True, follow=True):
        told = block.decode("utf-8", "replace")
        log.write(told)
        full = full or is_full(last + told)
        last = told[-40:]
    return full


def fault(ended: Ended, task: Task) -> str:
    """Why a container ended that neither succeeded nor failed by itself, or ""."""
    if ended.late:
        return f"took longer than {task.seconds} s"
    if ended.killed_for_memory:
        return f"used more than {task.memory} of memory"
    with suppress(ValueError):
        name = signal.Signals(ended.status - _SIGNALLED).name
        if name in ("SIGKILL", "SIGTERM"):
            return (
                f"got {name} from outside: by docker kill or stop, or because the machine has too"
                " little memory for so many cells at a time (--jobs)"
            )
    return ""


@contextmanager
def container(client: Client, task: Task, *, network: str = "none") -> Iterator[Container]:
    """A container that is ready to start. It is removed when the block ends."""
    made = client.containers.create(
        task.image,
        list(task.command),
        platform=task.platform,
        working_dir="/src",
        environment=dict(task.environment),
        volumes={
            mount.volume: {"bind": mount.path, "mode": "rw" if mount.writable else "ro"}
            for mount in task.mounts
        },
        network_mode=network,
        mem_limit=task.memory,
        memswap_limit=task.memory,
        pids_limit=task.processes,
        # exec: modules are loaded from there, which Docker forbids by default.
        tmpfs={"/tmp": "exec,mode=1777"},  # noqa: S108
        init=True,
        cap_add=["SYS_PTRACE"] if task.looks else [],
        labels={LABEL: "container", RUN: task.run},
    )
    try:
        client.work.check()
        made.put_archive("/", task.files)
        yield made
    finally:
        with suppress(docker.errors.NotFound):
            made.remove(force=True, v=True)


def _kill(running: Container) -> None:
    with suppress(docker.errors.APIError):
        running.kill()


def _left(ended: Container) -> dict[str, bytes]:
    """The files of /out."""
    try:
        blocks, _ = ended.get_archive("/out")
    except docker.errors.NotFound:
        return {}
    found = {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream:
                found[Path(member.name).name] = stream.read()
    return found


def stop(client: Client, of_run: str) -> None:
    """Ends a run's builds, and removes its containers. Threads that wait for one see it end."""
    client.work.stop()
    remove_containers(client, of_run)


def remove_containers(client: DockerClient, of_run: str) -> int:
    """Removes the containers of a run. Returns how many there were."""
    filters: dict[str, str | list[str] | bool] = {"label": f"{RUN}={of_run}"}
    found = client.containers.list(all=True, filters=filters)
    for each in found:
        with suppress(docker.errors.APIError):
            each.remove(force=True, v=True)
    return len(found)


def clean(client: DockerClient) -> Mapping[str, int]:
    """Removes all that has the label. Containers go first, since they use the rest."""
    marked: dict[str, str | list[str] | bool] = {"label": LABEL}
    containers = client.containers.list(all=True, filters=marked)
    for each in containers:
        each.remove(force=True, v=True)
    volumes = client.volumes.list(filters=marked)
    for volume in volumes:
        volume.remove(force=True)
    images = client.images.list(filters=marked)
    # An image can be removed only after those that are made from it.
    for image in images:
        for tag in image.tags:
            client.images.remove(tag, force=True)
    client.images.prune(filters={"dangling": True, "label": LABEL})
    return {"containers": len(containers), "volumes": len(volumes), "images": len(images)}


def tar(files: Mapping[str, bytes], programs: Sequence[str] = ()) -> bytes:
    """A tar of files, always the same for the same files."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as made:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            member.mode = 0o755 if name in programs else 0o644
            made.addfile(member, io.BytesIO(files[name]))
    return target.getvalue()
