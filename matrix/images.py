"""Makes the images of the matrix: for each base, each Apache, each Python, and for the tools.

An image's tag is the digest of all that it is made from, including its parent. So Docker's list of
images shows whether one must be built. A changed line of matrix.toml rebuilds only what depends on
that line.
"""

import hashlib
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

from docker import DockerClient

from command import TOP
from matrix import HERE, Unavailable, archives, engine
from matrix.archives import Shelf
from matrix.described import PREFIX, Apache, Archive, Base, Fix, Packaged, Python, Source, Tools
from tests.harness import venvs

SERVERS = "/opt/httpd"
PYTHON = "/opt/python"
TOOLS = "/opt/tools"
WHEELS = "/opt/wheels"
OWN = "/opt/matrix"


@dataclass(frozen=True, kw_only=True)
class Late:
    """A file that is made only when an image is built. Its identity stands for its content."""

    identity: str
    make: Callable[[], bytes]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A Dockerfile without its parent, the files that it copies, and earlier stages."""

    name: str
    base: Base
    parent: str
    lines: Sequence[str]
    stages: Sequence[str] = ()
    files: Mapping[str, bytes | Late] = field(default_factory=dict)

    @property
    def dockerfile(self) -> bytes:
        return "\n".join([*self.stages, f"FROM {self.parent}", *self.lines, ""]).encode()

    def content(self) -> dict[str, bytes]:
        """The files as they are copied, with the Dockerfile."""
        made = {
            name: each.make() if isinstance(each, Late) else each
            for name, each in self.files.items()
        }
        return {**made, "Dockerfile": self.dockerfile}

    def digest(self, parents: Sequence[str]) -> str:
        """Changes with everything that the image is made from."""
        whole = hashlib.sha256(self.dockerfile)
        for identity in parents:
            whole.update(identity.encode())
        for name in sorted(self.files):
            each = self.files[name]
            content = each.identity.encode() if isinstance(each, Late) else each
            whole.update(name.encode() + hashlib.sha256(content).digest())
        return whole.hexdigest()[:12]


def tag_of(client: DockerClient, recipe: Recipe, *others: str) -> str:
    """The name of the recipe's image. others are images that it copies from."""
    parents = [engine.image_id(client, name) for name in (recipe.parent, *others)]
    return f"{PREFIX}/{recipe.name}:{recipe.digest(parents)}"


def ensure(client: DockerClient, recipe: Recipe, log: TextIO, *others: str) -> str:
    """The recipe's image, built if need be."""
    tag = tag_of(client, recipe, *others)
    if not engine.has_image(client, tag):
        context = engine.tar(recipe.content(), ["tools.sh"])
        missing, platform = recipe.base.manager.missing, recipe.base.platform
        engine.build_image(client, tag, context, log, missing=missing, platform=platform)
    return tag


def known(client: DockerClient, recipe: Recipe, *others: str) -> str:
    """The recipe's image, if it is there."""
    tag = tag_of(client, recipe, *others)
    if not engine.has_image(client, tag):
        raise Unavailable(f"the image {tag} is not built")
    return tag


def base_recipe(base: Base, image: str) -> Recipe:
    """What every cell of a base needs."""
    manager = base.manager
    lines = [f"COPY settings {manager.settings}"] if base.settings else []
    return Recipe(
        name=f"base-{base.name}",
        base=base,
        parent=image,
        lines=[
            *lines,
            *(f"RUN {command}" for command in manager.prepare),
            install(base, base.packages),
        ],
        files={"settings": "\n".join([*base.settings, ""]).encode()} if lines else {},
    )


def tools_recipe(tools: Tools, base: Base, image: str) -> Recipe:
    """The tests' own Python: see tools.sh."""
    return Recipe(
        name=f"tools-{base.architecture}" if base.architecture else "tools",
        base=base,
        parent=image,
        lines=[
            install(base, tools.packages),
            f"COPY tools.sh requirements.txt ca.pem {OWN}/",
            f"RUN {certificates()}{OWN}/tools.sh {tools.python}",
        ],
        files={
            "tools.sh": (HERE / "tools.sh").read_bytes(),
            "requirements.txt": (TOP / "requirements.txt").read_bytes(),
            "ca.pem": authorities(),
        },
    )


def apache_recipe(shelf: Shelf, apache: Apache, mpm: str, base: Base, image: str) -> Recipe:
    """A server of an archive, below /opt/httpd/LINE for every process model.

    So an adapter is compiled by the same command for all of them, and only once.
    """
    prefix = f"{SERVERS}/{apache.line}"
    options = [option.format(prefix=prefix, mpm=mpm) for option in apache.configure]
    settings = [f"{name}={text}" for name, text in apache.environment.items()]
    configure = shlex.join(["env", *settings, "./configure", *options])
    after = f"rm -rf /usr/src/source && chmod -R a+rX {SERVERS}"
    source = source_tar(shelf, (apache.archive, *apache.parts), apache.fixes)
    return Recipe(
        name=apache_name(apache, mpm),
        base=base,
        parent=image,
        lines=[
            install(base, apache.packages),
            *([f"RUN {apache.prepare}"] if apache.prepare else []),
            "ADD source.tar /usr/src/",
            f"RUN cd /usr/src/source && {configure} && make && make install && {after}",
        ],
        files={"source.tar": source},
    )


def source_tar(shelf: Shelf, wanted: Sequence[Archive], fixes: Sequence[Fix] = ()) -> Late:
    """Archives as one tar, for ADD."""
    contents = [(each.into, archives.obtain(shelf, each)) for each in wanted]
    sums = [(into, hashlib.sha256(content).hexdigest()) for into, content in contents]
    return Late(
        identity=repr((sums, tuple(fixes))),
        make=partial(archives.mended, contents, fixes),
    )


def apache_name(apache: Apache, mpm: str) -> str:
    return f"apache{apache.line}" if apache.one_build else f"apache{apache.line}-{mpm}"


def python_recipe(shelf: Shelf, python: Python, base: Base, image: str, tools: str) -> Recipe:
    """A Python, with the packages that the tests need, since the tests have no network.

    One that nobody packages is built. One without pip gets it from wheels that the tools' Python
    fetches.
    """
    pins = venvs.pins(python.version)
    files: dict[str, bytes | Late] = {"ca.pem": authorities()}
    stages, lines = [], [install(base, python.packages), f"COPY ca.pem {OWN}/"]
    if python.source:
        files["source.tar"] = source_tar(shelf, [python.source.archive])
        lines += build_python(python.source)
    if python.wheels:
        wanted = shlex.join(["--python-version", python.version, *python.wheels])
        download = "-m pip download -q --no-deps --only-binary=:all:"
        stages = [
            f"FROM {tools} AS wheels",
            f"COPY ca.pem {OWN}/",
            f"RUN {certificates()}{TOOLS}/bin/python3 {download} -d {WHEELS} {wanted}",
        ]
        lines.append(f"COPY --from=wheels {WHEELS} {WHEELS}")
        lines.append(
            f"RUN PYTHONPATH=$(echo {WHEELS}/pip-*.whl) {python.executable} -m pip install -q"
            f" --no-index --find-links {WHEELS} pip setuptools wheel"
        )
        maker = python.executable
        pins.append((venvs.VIRTUALENV,))
    else:
        lines.append(f"RUN {python.executable} -m venv /opt/pip")
        maker = "/opt/pip/bin/python"
    wheel = [maker, "-m", "pip", "wheel", "-q", "--wheel-dir", WHEELS]
    lines += [f"RUN {certificates()}{shlex.join([*wheel, *each])}" for each in pins]
    return Recipe(
        name=python.name,
        base=base,
        parent=image,
        stages=stages,
        lines=lines,
        files=files,
    )


def build_python(source: Source) -> list[str]:
    """The lines that build a Python below /opt/python, with its library where the linker looks."""
    options = [f"--prefix={PYTHON}", f"LDFLAGS=-Wl,-rpath,{PYTHON}/lib", *source.configure]
    configure = shlex.join(["./configure", "-q", *options])
    make = 'make -s -j"$(nproc)" && make -s install'
    after = f"rm -rf /usr/src/source && chmod -R a+rX {PYTHON}"
    return [
        "ADD source.tar /usr/src/",
        f"RUN cd /usr/src/source && {configure} && {make} && {after}",
    ]


def packaged_recipe(packaged: Packaged, python: Python, base: Base, image: str) -> Recipe:
    """The distribution's own server with other modules, beside one of its Pythons."""
    return Recipe(
        name=f"packaged-{base.name}-py{python.version}",
        base=base,
        parent=image,
        lines=[install(base, (*packaged.packages, *base.modules))],
    )


def install(base: Base, packages: Sequence[str]) -> str:
    """The line that installs packages. With no packages, the line does nothing."""
    if not packages:
        return "RUN true"
    return "RUN " + base.manager.install.replace("{packages}", shlex.join(packages))


def certificates() -> str:
    """The certificates that pip needs if this machine uses a proxy with its own."""
    return f"PIP_CERT={OWN}/ca.pem " if authorities() else ""


def authorities() -> bytes:
    """The certificates that this machine's pip is told to trust, or nothing."""
    named = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    path = Path(named) if named else None
    return path.read_bytes() if path and path.is_file() else b""
