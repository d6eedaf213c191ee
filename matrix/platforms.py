"""Other architectures than that of the daemon's machine, which qemu may emulate there."""

import platform
from pathlib import Path

import docker.errors
from docker import DockerClient

from matrix import Unavailable
from matrix.described import ARCHITECTURES, Base

HANDLERS = Path("/proc/sys/fs/binfmt_misc")


def is_foreign(client: DockerClient, base: Base) -> bool:
    """Whether the daemon's machine needs an emulator for a base."""
    return bool(base.architecture) and machine(client) != ARCHITECTURES[base.architecture]


def machine(client: DockerClient) -> str:
    return str(client.info()["Architecture"]).replace("arm64", "aarch64")


def own() -> str:
    """The architecture of this machine, as Docker and Debian name it."""
    here = platform.machine()
    return next((name for name, each in ARCHITECTURES.items() if each == here), here)


def outlook(client: DockerClient, base: Base) -> str:
    """What keeps a base from running, as far as this machine can tell, or nothing.

    Only a daemon of this machine has the emulators that this machine's kernel knows.
    """
    if not is_foreign(client, base) or not str(client.api.base_url).startswith("http+docker"):
        return ""
    handler = HANDLERS / f"qemu-{ARCHITECTURES[base.architecture]}"
    told = handler.read_text() if handler.is_file() else ""
    flags = next((line for line in told.splitlines() if line.startswith("flags:")), "")
    return "" if told.startswith("enabled") and "F" in flags.partition(":")[2] else advice(base)


def check(client: DockerClient, base: Base, image: str) -> None:
    """Raises Unavailable if the daemon's machine cannot run the programs of a base."""
    if not is_foreign(client, base):
        return
    try:
        client.containers.run(
            image, ["/bin/true"], platform=base.platform, network_mode="none", remove=True
        )
    except (docker.errors.ContainerError, docker.errors.APIError) as error:
        if "exec format error" not in f"{error} {getattr(error, 'stderr', '')}".lower():
            raise
        raise Unavailable(advice(base)) from error


def advice(base: Base) -> str:
    return (
        f"Docker's machine cannot run programs of {base.architecture}: install qemu-user-static"
        " and binfmt-support (Debian) there, or take a machine of that architecture"
    )
