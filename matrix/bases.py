"""The images that bases begin with: pulled, pinned by a digest, or made by debootstrap."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import docker.errors
import requests
from docker import DockerClient
from docker.models.images import Image

from command import Problem
from matrix import Unavailable, engine, layers, platforms
from matrix.described import PREFIX, Base
from matrix.engine import Client
from matrix.explained import DISK_FULL, is_full

# Bases of several architectures share an image's name, which stands for one of them at a time.
_PULLING = threading.Lock()


def ensure(client: Client, base: Base, log: TextIO) -> str:
    """The image that a base begins with: at hand, pulled, or made by debootstrap."""
    if engine.has_image(client, base.kept):
        return base.kept
    try:
        pull(client, base)
    except (docker.errors.DockerException, requests.RequestException) as error:
        reason = " ".join(str(error).split())
        if is_full(reason):
            raise Problem(DISK_FULL) from error
        log.write(f"{base.image} was not pulled: {reason}\n")
        if engine.has_image(client, base.made):
            return base.made
        if not base.debootstrap:
            raise Unavailable(f"the image {base.image} cannot be pulled ({reason})") from error
        debootstrap(client, base, log)
        return base.made
    return base.kept


def at_hand(client: DockerClient, base: Base) -> str | None:
    """The image that a base begins with, if it is there: the pinned one if it can be."""
    return next((each for each in (base.kept, base.made) if engine.has_image(client, each)), None)


def pull(client: DockerClient, base: Base) -> None:
    """Pulls the image that has the base's digest, if it has one, and names it as it is kept.

    What had the image's own name keeps it, since that may be of another architecture.
    """
    repository, _, tag = base.image.rpartition(":")
    with _PULLING:
        if base.kept == base.image:
            client.images.pull(repository, tag)
            return
        before = image_or_none(client, base.image)
        pulled = client.images.pull(repository, base.digest or tag, platform=base.platform)
        pulled.tag(*base.kept.rsplit(":", 1))
        if before:
            before.tag(repository, tag)
        elif not base.digest:
            client.images.remove(base.image, noprune=True)


def image_or_none(client: DockerClient, name: str) -> Image | None:
    try:
        return client.images.get(name)
    except docker.errors.ImageNotFound:
        return None


def debootstrap(client: Client, base: Base, log: TextIO) -> None:
    """Makes a Debian from its packages, and imports it."""
    suite = base.image.rpartition(":")[2]
    why = f"the image {base.image} cannot be pulled, and"
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise Unavailable(f"{why} to make it this must run as root, with debootstrap installed")
    if not Path("/usr/share/debootstrap/scripts", suite).exists():
        raise Unavailable(f"{why} debootstrap is too old to know {suite}: install a newer one")
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}-{suite}-") as name:
        root, layer = Path(name, "root"), Path(name, "layer.tar")
        architecture = base.architecture or platforms.own()
        options = [f"--arch={architecture}", "--variant=minbase"]
        command = ["debootstrap", *options, suite, str(root)]
        log.flush()
        before = len(Path(log.name).read_text(errors="replace"))
        if run_program(client, command, log) != 0:
            if is_full(Path(log.name).read_text(errors="replace")[before:]):
                raise Problem(f"the disk is full: make room in {root.parent} (or set TMPDIR)")
            raise Unavailable(f"{why} debootstrap {suite} failed")
        add_updates(root / "etc" / "apt" / "sources.list", suite)
        pack = ["tar", "-C", str(root), "--numeric-owner", "--exclude=./proc/*"]
        pack += ["--exclude=./sys/*", "--exclude=./dev/*"]
        pack += ["--exclude=./var/cache/apt/archives/*.deb", "-cf", str(layer), "."]
        if run_program(client, pack, log) != 0:
            raise Problem(
                f"what debootstrap made cannot be packed in {root.parent}: see {log.name}"
            )
        try:
            layers.load(client, layer, base.made, architecture, "debootstrap")
        except engine.NotLoaded as refusal:
            raise Unavailable(
                f"{why} Docker refused what debootstrap made: {refusal}"
            ) from refusal


def origin(client: DockerClient, base: Base) -> str:
    """Where the image that a base begins with comes from, as a report says it."""
    found = image_or_none(client, at_hand(client, base) or base.kept)
    if found is None:
        return f"{base.image} is not there"
    labels = (found.attrs.get("Config") or {}).get("Labels") or {}
    if layers.ORIGIN in labels:
        return f"{base.image} was made by debootstrap on this machine, so it has no digest"
    if base.digest:
        return f"{base.image}@{base.digest}"
    known = [each.rpartition("@")[2] for each in found.attrs.get("RepoDigests") or ()]
    return f"{base.image} is not pinned" + (f"; {known[0]} is here" if known else "")


def run_program(client: Client, command: Sequence[str], log: TextIO) -> int:
    """Runs a program that an interrupt ends: it has its own session, and a moment to tidy up."""
    with subprocess.Popen(
        command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:

        def end() -> None:
            os.killpg(process.pid, signal.SIGTERM)

        try:
            with client.work.under_way(end):
                return process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                end()
            raise


def add_updates(sources: Path, suite: str) -> None:
    """Adds a release's updates, from beside the mirror that debootstrap used. sid has none."""
    if suite == "sid":
        return
    lines = sources.read_text().splitlines()
    mirror = lines[0].split()[1].rstrip("/")
    lines.append(f"deb {mirror} {suite}-updates main")
    lines.append(f"deb {mirror}-security {suite}-security main")
    sources.write_text("\n".join([*lines, ""]))
