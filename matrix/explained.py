"""Says on one line what is wrong, and tells Docker's faults from those of this machine's files."""

import errno
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import requests
import urllib3.exceptions

from command import Problem
from matrix import files

_INSTALL = "or run the cells of this machine's own servers with --local"

# What the system says of a full disk, and apt and dnf before they fill one.
_FULL = re.compile(
    "no space left on device|enough free space|more space needed on|disk quota exceeded",
    re.IGNORECASE,
)
DISK_FULL = "the disk is full: ./dev matrix clean removes what the matrix keeps in Docker"

# What Docker's library and those below it raise. Each may wrap an error of the socket.
FROM_DOCKER = (
    docker.errors.DockerException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    ConnectionError,
    TimeoutError,
    socket.gaierror,
)

_UNREACHABLE = {
    errno.ENOENT,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ETIMEDOUT,
    errno.EPIPE,
}
_SILENT = (socket.gaierror, TimeoutError, urllib3.exceptions.ConnectTimeoutError)


@contextmanager
def explained() -> Iterator[None]:
    """Turns exceptions into a Problem that says what to do: Docker's, and those of local files."""
    try:
        yield
    except FROM_DOCKER as error:
        raise Problem(explanation(error)) from error
    except OSError as error:
        raise Problem(files.complaint(error)) from error


def is_full(text: str) -> bool:
    """Whether a text tells of a full disk."""
    return _FULL.search(text) is not None


def explanation(error: BaseException) -> str:
    """One line that says what is wrong with Docker, and what to do."""
    causes = list(_causes(error))
    numbers = {each.errno for each in causes if isinstance(each, OSError)}
    said = " ".join(str(error).split())
    host = os.environ.get("DOCKER_HOST", "")
    if errno.ENOSPC in numbers or is_full(said):
        return DISK_FULL
    if errno.EACCES in numbers or errno.EPERM in numbers:
        return f"no permission to use Docker: add yourself to the group docker, {_INSTALL}"
    if numbers & _UNREACHABLE or any(isinstance(each, _SILENT) for each in causes):
        return _unreachable(host, causes)
    if any(isinstance(each, urllib3.exceptions.ProtocolError) for each in causes):
        return f"Docker broke off the connection: is the daemon still running? ({said})"
    return f"Docker failed{f' at {host}' if host else ''}: {said}"


def _unreachable(host: str, causes: list[BaseException]) -> str:
    if host:
        why = _innermost(causes)
        return f"no Docker daemon answers at {host} ({why}): correct DOCKER_HOST, {_INSTALL}"
    if shutil.which("dockerd") is None and shutil.which("docker") is None:
        return f"Docker is not installed: install docker.io (Debian) or docker, {_INSTALL}"
    return f"the Docker daemon is not running: start it (service docker start), {_INSTALL}"


def _innermost(causes: list[BaseException]) -> str:
    """What the system said, without what libraries wrote around it."""
    told = [each.strerror for each in causes if isinstance(each, OSError) and each.strerror]
    return told[-1] if told else "no answer in time"


def _causes(error: object) -> Iterator[BaseException]:
    """An exception and those that it wraps: as cause, as context or as argument."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, *each.args]
            waiting.append(getattr(each, "reason", None))
