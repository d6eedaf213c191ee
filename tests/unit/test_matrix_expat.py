"""Apache 2.0 in the matrix has the system's expat: its own crashes Python's pyexpat."""

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from command import TOP
from matrix import HERE, data, images
from matrix.archives import Shelf

FOLDER = "/opt/expat"
KNOWN = data.load(HERE / "matrix.toml")
OWN = KNOWN.apaches["2.0"]
HEADER = Path("/usr/include/expat.h")


def test_the_folder_is_made_before_the_server_is_configured(tmp_path: Path) -> None:
    content = b"not looked into here"
    (tmp_path / OWN.archive.name).write_bytes(content)
    shelf = Shelf(sources=tmp_path, cache=tmp_path, lock=tmp_path / "archives.lock")
    archive = replace(OWN.archive, sha256=hashlib.sha256(content).hexdigest())
    base = KNOWN.bases[OWN.base]
    recipe = images.apache_recipe(shelf, replace(OWN, archive=archive), "worker", base, "base")
    text = recipe.dockerfile.decode()
    assert text.index(f"RUN {OWN.prepare}") < text.index(f"--with-expat={FOLDER}")


@pytest.mark.skipif(not HEADER.exists(), reason="the system has no libexpat1-dev")
def test_the_folder_has_what_configure_looks_for(tmp_path: Path) -> None:
    assert OWN.prepare
    commands = OWN.prepare.replace(FOLDER, str(tmp_path))
    subprocess.run(["sh", "-euc", commands], check=True)
    assert (tmp_path / "include" / "expat.h").resolve() == HEADER.resolve()
    for name in ("libexpat.a", "libexpat.so"):
        assert (tmp_path / "lib" / name).exists(), name


@pytest.mark.skipif(not HEADER.exists(), reason="the system has no libexpat1-dev")
def test_the_commands_of_the_documentation_make_the_same_folder(tmp_path: Path) -> None:
    assert OWN.prepare
    page = (TOP / "docs" / "installation.md").read_text()
    begin = page.index("    here=$(gcc -print-multiarch)")
    told = page[begin : page.index("    ./configure --with-expat", begin)]
    made = []
    for number, commands in enumerate((told, OWN.prepare)):
        folder = tmp_path / str(number)
        subprocess.run(["sh", "-euc", commands.replace(FOLDER, str(folder))], check=True)
        made.append(
            {str(path.relative_to(folder)): path.resolve() for path in folder.rglob("*.*")}
        )
    assert made[0] == made[1]
