"""Makes an image of a system's files, for the architecture that they are of.

`docker import` would not do: some daemons mark all that they import with their own architecture.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from docker import DockerClient

from matrix import engine

# This label says by what an image was made on this machine.
ORIGIN = "mod_wsgi.matrix.origin"

_BLOCK = 1 << 20


def load(client: DockerClient, layer: Path, name: str, architecture: str, by: str) -> None:
    """Gives Docker an image of one layer, a tar. by says what made it."""
    whole = layer.with_name("image.tar")
    with tarfile.open(whole, "w") as packed:
        packed.add(layer, "layer.tar")
        config = description(layer, architecture, by)
        add(packed, "config.json", config)
        manifest = {"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}
        add(packed, "manifest.json", [manifest])
    engine.load_images(client, blocks(whole))


def description(layer: Path, architecture: str, by: str) -> dict[str, object]:
    """What Docker has to know of the image."""
    digest = hashlib.sha256()
    for block in blocks(layer):
        digest.update(block)
    return {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["bash"], "Labels": {ORIGIN: by}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest.hexdigest()}"]},
        "history": [{"created_by": by}],
    }


def add(packed: tarfile.TarFile, name: str, content: object) -> None:
    text = json.dumps(content).encode()
    member = tarfile.TarInfo(name)
    member.size = len(text)
    packed.addfile(member, io.BytesIO(text))


def blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block
