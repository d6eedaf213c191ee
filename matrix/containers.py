"""Builds and tests cells in containers.

What cells share is made once, by the first that needs it: bases, Apaches, Pythons and objects.
Containers share objects through one volume (see site_scons/site_init.py).
"""

import hashlib
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TextIO, TypeVar

from command import Problem
from matrix import (
    CellFailed,
    Ended,
    Unavailable,
    bases,
    engine,
    files,
    images,
    platforms,
    suite,
)
from matrix.archives import Shelf
from matrix.cells import Cell
from matrix.described import PREFIX, Apache, Base, Data, Python
from matrix.engine import Client, Mount, Task
from matrix.explained import DISK_FULL, FROM_DOCKER, explained
from matrix.images import Recipe
from matrix.snapshot import Snapshot
from matrix.verdict import Verdict, judge

T = TypeVar("T")
Say = Callable[[str], None]

OBJECTS = f"{PREFIX}-objects"
OBJECTS_AT = "/objects"
OUTPUT = (PurePosixPath("/out/junit.xml"), PurePosixPath("/out/grid.json"))
TOOLS_PYTHON = f"{images.TOOLS}/bin/python3"
SCONS = (TOOLS_PYTHON, "-m", "SCons", "-Q")

# Folders of objects, beside an adapter's, that no Python's headers went into.
WITHOUT_PYTHON = ("core-none", "wire", "remote", "spawner", "adapter-process")


@dataclass(frozen=True, kw_only=True)
class Once:
    """Results by key. The first who asks makes one. The others wait for it, or for its error."""

    made: dict[Hashable, Future[Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self.lock:
            first = key not in self.made
            future: Future[T] = self.made.setdefault(key, Future())
        if first:
            try:
                future.set_result(make())
            except BaseException as error:  # noqa: BLE001  every waiter gets it
                future.set_exception(error)
        return future.result()


@dataclass(frozen=True, kw_only=True)
class Site:
    """A run's environment, and what its cells share."""

    client: Client
    data: Data
    shelf: Shelf
    snapshot: Snapshot
    logs: Path
    stamps: Path
    builds: bool = True  # whether an image that is missing is built, or the cell is unavailable
    once: Once = field(default_factory=Once)
    run: str = ""

    @contextmanager
    def log(self, name: str) -> Iterator[TextIO]:
        """Opens the log of something shared or of a cell, to append to it.

        What fails meanwhile names this log, for every cell that the failure ends.
        """
        path = self.logs / f"{name}.log"
        try:
            with files.named(path), path.open("a", buffering=1, encoding="utf-8") as stream:
                yield stream
        except Ended as reason:
            reason.log = reason.log or path.name
            raise


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a cell runs on: an image, and the volumes that are mounted into it."""

    image: str
    mounts: tuple[Mount, ...]
    compiler: str
    platform: str | None = None


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """What scons is to make, and the images that the result depends on."""

    what: str
    command: tuple[str, ...]
    made_of: tuple[str, ...]


def build(site: Site, cell: Cell, say: Say) -> Built:
    """Builds all that the cell's tests need, and links its module."""
    with explained():
        return _build(site, cell, say)


def _build(site: Site, cell: Cell, say: Say) -> Built:
    python = site.data.python(cell.python, cell.suite)
    if python.unavailable:
        raise Unavailable(python.unavailable)
    home = site.data.bases[python.base]
    tools = _tools(site, home.architecture, say)
    if cell.suite:
        image = _packaged(site, python, say)
        built = Built(image=image, mounts=(tools,), compiler="gcc", platform=home.platform)
        _link(site, cell, built, (image,), say)
        return built
    apache = site.data.apaches[cell.line]
    server_image = _apache(site, apache, cell.mpm, say)
    image = _python(site, python, say)
    server = _server(site, apache, server_image)
    compiler = f"{images.TOOLS}/bin/cc"
    _adapter(site, apache, Built(image=server_image, mounts=(tools,), compiler=compiler), say)
    built = Built(image=image, mounts=(tools, server), compiler=compiler)
    _core(site, python, Built(image=image, mounts=(tools,), compiler=compiler), say)
    _link(site, cell, built, (server_image, image), say)
    return built


def test(
    site: Site, cell: Cell, built: Built, *, slow: bool, words: Sequence[str], say: Say
) -> Verdict:
    """Runs the test suite in the cell, with the user's words for pytest.

    Returns the result, once it is certain that the suite ran.
    """
    say("testing")
    python = site.data.python(cell.python, cell.suite).executable
    command = suite.command(TOOLS_PYTHON, cell, python, OUTPUT, slow=slow, words=words)
    task = _task(site, built, command, writes=False, looks=True)
    with site.log(cell.name) as log, explained():
        ended = engine.run(site.client, task, log)
    if "junit.xml" in ended.out:
        files.write_in_place(site.logs / f"{cell.name}.xml", ended.out["junit.xml"])
    grid = suite.read_grid(ended.out.get("grid.json", b""))
    check_end(ended, task, "the tests", finished=grid is not None)
    if grid is None:
        raise CellFailed(suite.ended_early(ended.status))
    version = "" if cell.suite else site.data.apaches[cell.line].version
    return judge(cell, grid, ended.status, version)


def check_end(ended: engine.Ended, task: Task, what: str, *, finished: bool) -> None:
    """Tells what was done to a container from what its program did."""
    if ended.late or ended.killed_for_memory or not finished:
        if why := engine.fault(ended, task):
            raise CellFailed(f"{what} {why}")
        if ended.disk_full:
            raise Problem(DISK_FULL)


def shell_task(site: Site, built: Built) -> Task:
    """A container like a test's, for somebody to look around in."""
    return _task(site, built, ["sleep", "infinity"], writes=False, looks=True)


def base(site: Site, name: str, say: Say) -> str:
    """The image of a base, with what each of its cells needs."""

    def make() -> str:
        say(f"base {name}")
        found = site.data.bases[name]
        image = _begin(site, found)
        return _ensure(site, images.base_recipe(found, image), f"base-{name}")

    return site.once.get(("base", name), make)


def _begin(site: Site, found: Base) -> str:
    """The image that a base begins with."""
    if not site.builds:
        image = bases.at_hand(site.client, found)
        if image is None:
            raise Unavailable(f"the image {found.image} is not there")
        return image
    with site.log(f"base-{found.name}") as log:
        image = bases.ensure(site.client, found, log)
    platforms.check(site.client, found, image)
    return image


def _ensure(site: Site, recipe: Recipe, name: str, *others: str) -> str:
    """The recipe's image. name is its log's. others are images that it copies from."""
    if not site.builds:
        return images.known(site.client, recipe, *others)
    with site.log(name) as log:
        return images.ensure(site.client, recipe, log, *others)


def images_of(site: Site, cells: Sequence[Cell]) -> dict[str, list[str]]:
    """The images that these cells need and that are there, by base. The tools' base is first."""
    wanted: list[tuple[str, Callable[[], str]]] = [
        (site.data.tools.base, partial(_tools_image, site, "", unheard))
    ]
    for cell in cells:
        wanted += _needs(site, cell)
    for name in dict.fromkeys(name for name, _ in wanted):
        wanted.append((name, partial(_begin, site, site.data.bases[name])))
        wanted.append((name, partial(base, site, name, unheard)))
    found: dict[str, list[str]] = {}
    for name, ask in wanted:
        with suppress(Unavailable, CellFailed):
            tag = ask()
            if tag not in found.setdefault(name, []):
                found[name].append(tag)
    return found


def _needs(site: Site, cell: Cell) -> Iterator[tuple[str, Callable[[], str]]]:
    """The images of one cell, each with its base's name. Most cells share them with others."""
    python = site.data.python(cell.python, cell.suite)
    if cell.excluded or python.unavailable:
        return
    architecture = site.data.bases[python.base].architecture
    yield site.data.tools_base(architecture), partial(_tools_image, site, architecture, unheard)
    yield python.base, partial(_python, site, python, unheard)
    if cell.suite:
        yield python.base, partial(_packaged, site, python, unheard)
        return
    apache = site.data.apaches[cell.line]
    yield apache.base, partial(_apache, site, apache, cell.mpm, unheard)


def origins(site: Site, cells: Sequence[Cell]) -> tuple[str, ...]:
    """Which images the bases of these cells are. Nothing if Docker does not answer any more."""
    names = {site.data.tools.base} | {name for cell in cells for name, _ in _needs(site, cell)}
    try:
        return tuple(
            f"{name}: {bases.origin(site.client, found)}"
            for name, found in site.data.bases.items()
            if name in names
        )
    except FROM_DOCKER:
        return ()


def unheard(_: str) -> None:
    """Ignores the phases of a cell."""


def _tools(site: Site, architecture: str, say: Say) -> Mount:
    """The volume of the Python that runs the tests."""

    def make() -> Mount:
        image = _tools_image(site, architecture, say)
        volume = f"{PREFIX}-tools-{image.rpartition(':')[2]}"
        engine.volume_of_image(site.client, volume, image, images.TOOLS)
        return Mount(volume=volume, path=images.TOOLS)

    return site.once.get(("tools volume", architecture), make)


def _tools_image(site: Site, architecture: str, say: Say) -> str:
    def make() -> str:
        home = site.data.bases[site.data.tools_base(architecture)]
        parent = base(site, home.name, say)
        say("the tests' own Python")
        recipe = images.tools_recipe(site.data.tools, home, parent)
        return _ensure(site, recipe, recipe.name)

    return site.once.get(("tools", architecture), make)


def _apache(site: Site, apache: Apache, mpm: str, say: Say) -> str:
    name = images.apache_name(apache, mpm)

    def make() -> str:
        home = site.data.bases[apache.base]
        parent = base(site, home.name, say)
        say(f"Apache {apache.version}")
        return _ensure(site, images.apache_recipe(site.shelf, apache, mpm, home, parent), name)

    return site.once.get(("apache", name), make)


def _server(site: Site, apache: Apache, image: str) -> Mount:
    """The volume of a server of an archive."""
    path = f"{images.SERVERS}/{apache.line}"
    volume = image.replace("/", "-").replace(":", "-")

    def make() -> Mount:
        engine.volume_of_image(site.client, volume, image, path)
        return Mount(volume=volume, path=path)

    return site.once.get(("server", image), make)


def _python(site: Site, python: Python, say: Say) -> str:
    def make() -> str:
        home = site.data.bases[python.base]
        parent = base(site, home.name, say)
        tools = _tools_image(site, home.architecture, say)
        say(f"Python {python.version}")
        recipe = images.python_recipe(site.shelf, python, home, parent, tools)
        return _ensure(site, recipe, python.name, *([tools] if python.wheels else []))

    return site.once.get(("python", python.name), make)


def _packaged(site: Site, python: Python, say: Say) -> str:
    def make() -> str:
        image = _python(site, python, say)
        say(f"the packaged server of {python.base}")
        home = site.data.bases[python.base]
        recipe = images.packaged_recipe(site.data.packaged[home.name], python, home, image)
        return _ensure(site, recipe, recipe.name)

    return site.once.get(("packaged", python.name), make)


def _adapter(site: Site, apache: Apache, built: Built, say: Say) -> None:
    """What has no Python, compiled on the base of its server, so that it links everywhere."""
    what = f"adapter-apache{apache.line}"
    words = (*_apache_words(apache.line), "python=none,/usr/bin/python3")
    folders = (f"build/{folder}" for folder in (what, *WITHOUT_PYTHON))
    command = (*SCONS, *words, *folders)
    _compile(site, Compilation(what=what, command=command, made_of=(built.image,)), built, say)


def _core(site: Site, python: Python, built: Built, say: Say) -> None:
    """The core's objects for one Python."""
    what = f"core-{python.name}"
    command = (*SCONS, "apache=none", f"python={python.executable}", f"build/{what}")
    _compile(site, Compilation(what=what, command=command, made_of=(built.image,)), built, say)


def _link(site: Site, cell: Cell, built: Built, made_of: tuple[str, ...], say: Say) -> None:
    """Links the module, which fits every process model of its images."""
    apxs = (
        ["apache=" + cell.line, "apxs=" + site.data.packaged[cell.suite].apxs]
        if cell.suite
        else _apache_words(cell.line)
    )
    python = site.data.python(cell.python, cell.suite)
    several = "none," if cell.mode == "processes" else ""
    command = (*SCONS, *apxs, f"python={several}{python.executable}")
    parts = ("module", f"apache{cell.line}", cell.column, several and "processes", cell.suite)
    what = "-".join(filter(None, parts))
    _compile(site, Compilation(what=what, command=command, made_of=made_of), built, say)


def _apache_words(line: str) -> list[str]:
    return [f"apache={line}", f"apxs={images.SERVERS}/{line}/bin/apxs"]


def _compile(site: Site, wanted: Compilation, built: Built, say: Say) -> None:
    """Runs scons in a container, unless an earlier run has done the same with the same sources.

    A stamp stands for objects in the volume, so it also says which volume.
    """

    def make() -> None:
        born = site.once.get("objects", lambda: engine.make_volume(site.client, OBJECTS))
        told = repr((wanted, built, site.snapshot.compiled, born))
        stamp = site.stamps / hashlib.sha256(told.encode()).hexdigest()
        if stamp.exists():
            return
        say(f"compiling {wanted.what}")
        task = _task(site, built, wanted.command, writes=True)
        with site.log(wanted.what) as log:
            ended = engine.run(site.client, task, log)
            check_end(ended, task, wanted.what, finished=ended.status == 0)
            if ended.status != 0:
                raise CellFailed(f"{wanted.what} did not build")
        site.stamps.mkdir(parents=True, exist_ok=True)
        stamp.touch()

    site.once.get((wanted.what, wanted.made_of), make)


def _task(
    site: Site, built: Built, command: Sequence[str], *, writes: bool, looks: bool = False
) -> Task:
    # Always writable, because SCons makes a lock there even to read its cache.
    objects = Mount(volume=OBJECTS, path=OBJECTS_AT, writable=True)
    return Task(
        image=built.image,
        platform=built.platform,
        command=command,
        mounts=(*built.mounts, objects),
        environment=_environment(built, writes=writes),
        files=site.snapshot.files,
        memory=site.data.limits.memory,
        processes=site.data.limits.processes,
        seconds=site.data.limits.seconds,
        run=site.run,
        looks=looks,
    )


def _environment(built: Built, *, writes: bool) -> Mapping[str, str]:
    """Tests read objects and write none. pip finds what it needs in the image."""
    return {
        "CC": built.compiler,
        "SCONSFLAGS": "--site-dir=matrix/site_scons" + ("" if writes else " --cache-readonly"),
        "MATRIX_OBJECTS": OBJECTS_AT,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": images.WHEELS,
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
    }
