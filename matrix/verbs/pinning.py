"""The verb bases with --refresh: writes the digests of the bases' images into the data file."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import docker.errors
import requests
from docker import DockerClient

from command import Problem
from matrix import bases, data, engine, files, results
from matrix.described import Base


def refresh(arguments: argparse.Namespace, bases: Sequence[Base]) -> int:
    """Pulls the newest images, and pins each base to what it has got.

    A base whose image cannot be pulled stays as it was.
    """
    status = results.PASSED
    with engine.connected() as client:
        for base in (each for each in bases if not each.architecture):
            try:
                digest = newest(client, base)
            except (docker.errors.DockerException, requests.RequestException) as error:
                print(f"{base.name}: not refreshed - {' '.join(str(error).split())}")
                status = results.UNAVAILABLE
                continue
            told = "is still" if digest == base.digest else "is now"
            print(f"{base.name}: {base.image} {told} {digest}")
            write(arguments.data, base.name, digest)
    return status


def newest(client: DockerClient, base: Base) -> str:
    """Pulls the image that its name stands for now. Returns its digest, for all architectures."""
    bases.pull(client, replace(base, digest=""))
    known = client.images.get(base.image).attrs.get("RepoDigests") or ()
    repository = base.image.rpartition(":")[0].rpartition("/")[2]
    digests = [each.rpartition("@") for each in known]
    found = [digest for name, _, digest in digests if name.rpartition("/")[2] == repository]
    if len(found) == 1:
        return str(found[0])
    return str(client.images.get_registry_data(base.image).id)


def write(path: Path, name: str, digest: str) -> None:
    """Writes a digest into the data file, where the base is, and changes nothing else in it."""
    before = path.read_text(encoding="utf-8")
    after = pinned(before, name, digest)
    if data.parse(after, path.name).bases[name].digest != digest:
        raise Problem(f"write it yourself: bases.{name}.digest in {path} is to be {digest}")
    if after != before:
        files.write(path, after.encode())


def pinned(text: str, name: str, digest: str) -> str:
    """The text with the digest in the line below the base's image."""
    table = re.search(
        rf"^\[bases\.{re.escape(name)}\]\n(?:(?!\[).*\n?)*", text, flags=re.MULTILINE
    )
    if table is None:
        return text
    lines = [
        line for line in table[0].splitlines(keepends=True) if not re.match(r"digest\s*=", line)
    ]
    at = next((at for at, line in enumerate(lines) if re.match(r"image\s*=", line)), 0)
    lines.insert(at + 1, f'digest = "{digest}"\n')
    return text[: table.start()] + "".join(lines) + text[table.end() :]
