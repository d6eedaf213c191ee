"""Makes the images of the matrix: for each base, each Apache, each Python, and for the tools.

An image's tag is the digest of all that it is made from, including its parent. So Docker's list of
images shows whether one must be built. A changed line of matrix.toml rebuilds only what depends on
that line.
"""

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

import docker.errors
import requests
from docker import DockerClient

from command import TOP, Problem
from matrix import HERE, Unavailable, archives, engine
from matrix.archives import Shelf
from matrix.data import Apache, Archive, Base, Data, Fix, Python, Source
from matrix.engine import Client
from matrix.explained import DISK_FULL, is_full
from tests.harness import venvs

PREFIX = "mod_wsgi-matrix"
SERVERS = "/opt/httpd"
PYTHON = "/opt/python"
TOOLS = "/opt/tools"
WHEELS = "/opt/wheels"
OWN = "/opt/matrix"

# Debian's packages ask this program before they start a service.
_POLICY = "/usr/sbin/policy-rc.d"
NO_SERVICES = f"printf '#!/bin/sh\\nexit 101\\n' >{_POLICY} && chmod 755 {_POLICY}"

# For scons in an Apache's image, where an adapter is compiled: scons asks a Python, though
# adapters need none.
SOME_PYTHON = ("python3-dev",)


@dataclass(frozen=True, kw_only=True)
class Late:
    """A file that is made only when an image is built. Its identity stands for its content."""

    identity: str
    make: Callable[[], bytes]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A Dockerfile without its parent, the files that it copies, and earlier stages."""

    name: str
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
        engine.build_image(client, tag, engine.tar(recipe.content(), ["tools.sh"]), log)
    return tag


def known(client: DockerClient, recipe: Recipe, *others: str) -> str:
    """The recipe's image, if it is there."""
    tag = tag_of(client, recipe, *others)
    if not engine.has_image(client, tag):
        raise Unavailable(f"the image {tag} is not built")
    return tag


def ensure_base(client: Client, base: Base, log: TextIO) -> str:
    """The image that a base begins with: at hand, pulled, or made by debootstrap."""
    if engine.has_image(client, base.image):
        return base.image
    repository, _, tag = base.image.rpartition(":")
    try:
        client.images.pull(repository, tag)
    except (docker.errors.DockerException, requests.RequestException) as error:
        reason = " ".join(str(error).split())
        if is_full(reason):
            raise Problem(DISK_FULL) from error
        log.write(f"{base.image} was not pulled: {reason}\n")
        if not base.debootstrap:
            raise Unavailable(f"the image {base.image} cannot be pulled ({reason})") from error
        debootstrap(client, base, log)
    return base.image


def debootstrap(client: Client, base: Base, log: TextIO) -> None:
    """Makes a Debian from its packages, and imports it under the image's name."""
    repository, _, suite = base.image.rpartition(":")
    why = f"the image {base.image} cannot be pulled, and"
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise Unavailable(f"{why} to make it this must run as root, with debootstrap installed")
    if not Path("/usr/share/debootstrap/scripts", suite).exists():
        raise Unavailable(f"{why} debootstrap is too old to know {suite}: install a newer one")
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}-{suite}-") as name:
        root = Path(name)
        command = ["debootstrap", "--variant=minbase", suite, name]
        log.flush()
        before = len(Path(log.name).read_text(errors="replace"))
        if run_program(client, command, log) != 0:
            if is_full(Path(log.name).read_text(errors="replace")[before:]):
                raise Problem(f"the disk is full: make room in {root.parent} (or set TMPDIR)")
            raise Unavailable(f"{why} debootstrap {suite} failed")
        add_updates(root / "etc" / "apt" / "sources.list", suite)
        pack = ["tar", "-C", name, "--numeric-owner", "--exclude=./proc/*", "--exclude=./sys/*"]
        pack += ["--exclude=./dev/*", "--exclude=./var/cache/apt/archives/*.deb", "-c", "."]
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as packed:
            client.api.import_image_from_stream(
                packed.stdout, repository=repository, tag=suite, changes=['CMD ["bash"]']
            )
    if not engine.has_image(client, base.image):
        raise Unavailable(f"{why} what debootstrap made was not imported")


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


def base_recipe(base: Base, image: str) -> Recipe:
    """What every cell of a base needs. No package starts a service in a container."""
    settings = "\n".join([*base.apt, 'APT::Install-Recommends "false";', ""])
    return Recipe(
        name=f"base-{base.name}",
        parent=image,
        lines=[
            f"COPY apt.conf /etc/apt/apt.conf.d/90{PREFIX}",
            f"RUN {NO_SERVICES}",
            install(base.packages),
        ],
        files={"apt.conf": settings.encode()},
    )


def tools_recipe(data: Data, base: str) -> Recipe:
    """The tests' own Python: see tools.sh."""
    return Recipe(
        name="tools",
        parent=base,
        lines=[
            install(data.tools.packages),
            f"COPY tools.sh requirements.txt ca.pem {OWN}/",
            f"RUN {certificates()}{OWN}/tools.sh {data.tools.python}",
        ],
        files={
            "tools.sh": (HERE / "tools.sh").read_bytes(),
            "requirements.txt": (TOP / "requirements.txt").read_bytes(),
            "ca.pem": authorities(),
        },
    )


def apache_recipe(shelf: Shelf, apache: Apache, mpm: str, base: str) -> Recipe:
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
        parent=base,
        lines=[
            install((*apache.packages, *SOME_PYTHON)),
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


def python_recipe(shelf: Shelf, python: Python, base: str, tools: str) -> Recipe:
    """A Python, with the packages that the tests need, since the tests have no network.

    One that nobody packages is built. One without pip gets it from wheels that the tools' Python
    fetches.
    """
    pins = venvs.pins(python.version)
    files: dict[str, bytes | Late] = {"ca.pem": authorities()}
    stages, lines = [], [install(python.packages), f"COPY ca.pem {OWN}/"]
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
        parent=base,
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


def packaged_recipe(data: Data, python: Python, image: str) -> Recipe:
    """The distribution's own server, beside one of its Pythons."""
    packages = data.packaged.packages if data.packaged else ()
    return Recipe(
        name=f"packaged-{python.base}-{python.name}",
        parent=image,
        lines=[install(packages)],
    )


def install(packages: Sequence[str]) -> str:
    """The line that installs packages. With no packages, the line does nothing."""
    if not packages:
        return "RUN true"
    return (
        "RUN apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install "
        f"{shlex.join(packages)} && rm -rf /var/lib/apt/lists/*"
    )


def certificates() -> str:
    """The certificates that pip needs if this machine uses a proxy with its own."""
    return f"PIP_CERT={OWN}/ca.pem " if authorities() else ""


def authorities() -> bytes:
    """The certificates that this machine's pip is told to trust, or nothing."""
    named = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    path = Path(named) if named else None
    return path.read_bytes() if path and path.is_file() else b""
