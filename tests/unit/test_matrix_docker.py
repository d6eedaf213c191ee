"""The matrix and Docker, without any: what it asks for, and one clear line when it fails."""

import errno
import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from command import Problem
from matrix import (
    HERE,
    CellFailed,
    Unavailable,
    __main__,
    arguments,
    bases,
    containers,
    data,
    engine,
    explained,
    images,
    snapshot,
)
from matrix.archives import Shelf
from matrix.containers import Once
from matrix.described import Python

OWN = data.load(HERE / "matrix.toml")
APT = OWN.bases["bookworm"]


def wrapped(error: OSError) -> docker.errors.DockerException:
    """As Docker's library wraps what the socket said."""
    made = docker.errors.DockerException("Error while fetching server API version")
    made.__cause__ = ConnectionError("Connection aborted.", error)
    return made


@pytest.mark.parametrize(
    ("error", "installed", "line"),
    [
        (FileNotFoundError(errno.ENOENT, "gone"), False, "Docker is not installed"),
        (FileNotFoundError(errno.ENOENT, "gone"), True, "the Docker daemon is not running"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), True, "daemon is not running"),
        (PermissionError(errno.EACCES, "no"), True, "no permission to use Docker"),
        (OSError(errno.ENOSPC, "full"), True, "the disk is full"),
    ],
)
def test_what_is_wrong_with_docker_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: OSError, installed: bool, line: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/docker" if installed else None)
    told = explained.explanation(wrapped(error))
    assert line in told
    assert "\n" not in told


def test_a_full_disk_is_known_by_what_the_daemon_says() -> None:
    told = docker.errors.APIError("write /var/lib: no space left on device")
    assert "./dev matrix clean" in explained.explanation(told)


def test_a_daemon_that_is_not_there_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    assert __main__.main(["run", "*-bookworm", "--output", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("matrix: ")
    assert "Docker" in told[0]


def test_cells_are_listed_one_a_line_without_docker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    assert __main__.main(["list", "apache1.3-*-py3.1?"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        f"apache1.3-prefork-py3.{minor}" for minor in (10, 11, 12, 13, 14, 15)
    ]
    assert all("Docker" in line for line in lines)


@pytest.mark.parametrize(
    "words",
    [
        ["run", "nosuch-*"],
        ["run", "apache2.2-event-py3.11"],
        ["shell"],
        ["bases", "nosuch"],
        ["list", "--data", "nosuch.toml"],
        ["run", "--sources", "nosuch"],
        ["report", "--output", "nosuch"],
    ],
)
def test_a_wrong_command_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    assert __main__.main(words) == 2
    assert capsys.readouterr().err.startswith("matrix: ")


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A daemon whose builds say what they are told to say."""

    said: list[dict[str, str]]

    @property
    def api(self) -> "Daemon":
        return self

    def build(self, **_: Any) -> Iterator[dict[str, str]]:
        return iter(self.said)


FAILED = {"error": "returned a non-zero code: 100"}


@pytest.mark.parametrize(
    ("said", "kind", "line"),
    [
        ([{"stream": "make: ***"}, FAILED], CellFailed, "the image x did not build"),
        ([{"stream": "E: Failed to fetch a.deb\n"}, FAILED], Unavailable, "fetch a.deb"),
        ([{"stream": "\x1b[91mE: Failed to fetch b.deb\x1b[0m"}, FAILED], Unavailable, ": E: Fa"),
        ([{"stream": "E: Unable to locate package y"}, FAILED], Unavailable, "package y"),
        (
            [
                {"stream": "Get:1 c.deb\nE"},
                {"stream": ": Failed to fetch c.deb\nE: Failed to fetch d.deb\nE: Unable to"},
                {"stream": " fetch some archives\n"},
                FAILED,
            ],
            Unavailable,
            ": E: Failed to fetch c.deb$",
        ),
        ([{"error": "write: No space left on device"}], Problem, "the disk is full"),
        ([{"stream": "cc1: No space left on device\n"}, FAILED], Problem, "the disk is full"),
        (
            [
                {"stream": "E: You don't have enough free space in /var/cache/apt/archives/."},
                FAILED,
            ],
            Problem,
            "the disk is full",
        ),
        (
            [{"stream": "E: Failed to fetch a.deb No space left on device"}, FAILED],
            Problem,
            "the disk is full",
        ),
    ],
)
def test_an_image_that_does_not_build_says_whose_fault_it_is(
    said: list[dict[str, str]], kind: type[Exception], line: str
) -> None:
    log = io.StringIO()
    client: Any = Daemon(said=said)
    with pytest.raises(kind, match=line):
        engine.build_image(client, "x:1", b"", log, missing=APT.manager.missing)
    assert log.getvalue()
    assert "\x1b" not in log.getvalue()


@dataclass
class Filler:
    """A daemon whose containers note what is done to them."""

    status: int
    done: list[str] = field(default_factory=list)

    @property
    def containers(self) -> "Filler":
        return self

    @property
    def volumes(self) -> "Filler":
        return self

    def get(self, name: str) -> "Filler":
        if "create" not in self.done:
            raise docker.errors.NotFound(name)
        return self

    @property
    def attrs(self) -> dict[str, dict[str, str]]:
        return {"Labels": {}}

    def create(self, *_: Any, **__: Any) -> "Filler":
        self.done.append("create")
        return self

    def start(self) -> None:
        self.done.append("start")

    def wait(self) -> dict[str, int]:
        self.done.append("wait")
        return {"StatusCode": self.status}

    def remove(self, *, force: bool) -> None:
        assert force
        self.done.append("remove")


def test_a_volume_is_filled_by_a_container_that_has_run() -> None:
    """Podman fills it no sooner."""
    client: Any = Filler(status=0)
    engine.volume_of_image(client, "v", "i", "/opt/x")
    assert client.done == ["create", "create", "start", "wait", "remove"]


def test_a_volume_that_was_not_filled_does_not_stay() -> None:
    client: Any = Filler(status=127)
    with pytest.raises(CellFailed, match="the volume v was not filled"):
        engine.volume_of_image(client, "v", "i", "/opt/x")
    assert client.done[-2:] == ["remove", "remove"]


def test_an_image_is_known_by_everything_that_it_is_made_of() -> None:
    recipe = images.Recipe(name="x", base=APT, parent="p", lines=["RUN true"], files={"a": b"1"})
    others = [
        images.Recipe(name="x", base=APT, parent="p", lines=["RUN false"], files={"a": b"1"}),
        images.Recipe(name="x", base=APT, parent="p", lines=["RUN true"], files={"a": b"2"}),
        images.Recipe(name="x", base=APT, parent="p", lines=["RUN true"], files={"b": b"1"}),
        images.Recipe(name="x", base=APT, parent="p", lines=["RUN true"], stages=["FROM q AS r"]),
    ]
    digests = {each.digest(["id"]) for each in (recipe, *others)} | {recipe.digest(["other"])}
    assert len(digests) == 6
    assert recipe.digest(["id"]) == recipe.digest(["id"])


def test_a_late_file_is_known_by_its_identity_and_made_only_when_wanted() -> None:
    def unwanted() -> bytes:
        raise AssertionError

    first, second = (
        images.Recipe(
            name="x",
            base=APT,
            parent="p",
            lines=[],
            files={"a": images.Late(identity=each, make=unwanted)},
        )
        for each in "12"
    )
    assert first.digest([]) != second.digest([])


def test_the_models_of_one_build_share_an_image() -> None:
    names = {
        (line, mpm): images.apache_name(apache, mpm)
        for line, apache in OWN.apaches.items()
        for mpm in apache.mpms
    }
    assert names["2.4", "event"] == names["2.4", "prefork"] == "apache2.4"
    assert names["2.2", "worker"] == "apache2.2-worker"


def test_packaged_cells_have_the_modules_that_the_suite_is_served_beside() -> None:
    base = OWN.bases["bookworm"]
    recipe = images.packaged_recipe(OWN.packaged["bookworm"], OWN.pythons["3.11"], base, "parent")
    order = recipe.dockerfile.decode()
    assert "install apache2 apache2-dev libapache2-mod-python" in order


def test_no_options_are_left_unfilled() -> None:
    for apache in OWN.apaches.values():
        for option in apache.configure:
            assert "{" not in option.format(prefix="/opt/httpd/x", mpm="prefork")


@pytest.mark.parametrize(
    ("suite", "expected"),
    [
        (
            "trixie",
            [
                "deb http://mirror.example/debian trixie main",
                "deb http://mirror.example/debian trixie-updates main",
                "deb http://mirror.example/debian-security trixie-security main",
            ],
        ),
        ("sid", ["deb http://mirror.example/debian sid main"]),
    ],
)
def test_a_base_gets_its_updates_from_the_mirror_it_came_from(
    tmp_path: Path, suite: str, expected: list[str]
) -> None:
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb http://mirror.example/debian {suite} main\n")
    bases.add_updates(sources, suite)
    assert sources.read_text().splitlines() == expected


def test_what_is_shared_is_made_once_and_fails_for_all() -> None:
    once, calls = Once(), []

    def make() -> str:
        calls.append(1)
        return "made"

    def fail() -> str:
        calls.append(2)
        raise Problem("broken")

    assert [once.get("a", make), once.get("a", make)] == ["made", "made"]
    for _ in range(2):
        with pytest.raises(Problem, match="broken"):
            once.get("b", fail)
    assert calls == [1, 2]


def test_a_snapshot_holds_the_tree_and_nothing_that_is_made(tmp_path: Path) -> None:
    for name in ("core/a.c", "tests/t.py", "build/x.o", "core/__pycache__/y.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    taken = snapshot.take(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(taken.files)) as archive:
        assert archive.getnames() == ["out/.keep", "src/core/a.c", "src/tests/t.py"]


@pytest.mark.parametrize(
    ("name", "counts"), [("core/a.c", True), ("spawner/a.c", True), ("tests/t.py", False)]
)
def test_only_what_is_compiled_makes_objects_anew(tmp_path: Path, name: str, counts: bool) -> None:
    for each in ("core/a.c", "spawner/a.c", "tests/t.py"):
        (tmp_path / each).parent.mkdir()
        (tmp_path / each).write_text(each)
    before = snapshot.take(tmp_path).compiled
    (tmp_path / name).write_text("changed")
    assert (snapshot.take(tmp_path).compiled != before) is counts


def test_a_tar_is_the_same_for_the_same_files() -> None:
    assert engine.tar({"a": b"1", "b": b"2"}) == engine.tar({"b": b"2", "a": b"1"})


def test_a_packaged_servers_cell_is_compiled_by_its_own_compiler() -> None:
    built = containers.Built(image="i", mounts=(), compiler="gcc")
    environment: Any = containers._environment(built, writes=False)  # noqa: SLF001
    assert environment["CC"] == "gcc"
    assert environment["PIP_NO_INDEX"] == "1"
    assert "--cache-readonly" in environment["SCONSFLAGS"]


def test_patterns_may_come_after_options() -> None:
    words = ["run", "--jobs", "2", "apache1.3-*", "--keep-going", "!*-py2.7*"]
    read = arguments.read(__main__.VERBS, None, words)
    assert (read.verb, read.patterns) == ("run", ["apache1.3-*", "!*-py2.7*"])


def with_archive(python: Python, content: bytes) -> Python:
    """A Python that is built from this archive."""
    assert python.source
    known = replace(python.source.archive, sha256=hashlib.sha256(content).hexdigest())
    return replace(python, source=replace(python.source, archive=known))


def test_a_python_from_an_archive_is_built_before_it_is_used(tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:xz") as made:
        made.addfile(tarfile.TarInfo("Python-3.14.0/configure"))
    (tmp_path / "Python-3.14.0.tar.xz").write_bytes(content.getvalue())
    shelf = Shelf(sources=tmp_path, cache=tmp_path / "cache", lock=tmp_path / "archives.lock")
    python = with_archive(OWN.pythons["3.14t"], content.getvalue())
    recipe = images.python_recipe(shelf, python, OWN.bases[python.base], "base", "tools")
    order = recipe.dockerfile.decode()
    assert "--disable-gil --enable-shared" in order
    assert order.index("ADD source.tar") < order.index(f"{python.executable} -m venv")
    with tarfile.open(fileobj=io.BytesIO(recipe.content()["source.tar"])) as source:
        assert source.getnames() == ["source/configure"]


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A container that somebody removes while its program runs."""

    def start(self) -> None:
        """Begins."""

    def logs(self, **_: Any) -> Iterator[bytes]:
        return iter([b"output"])

    def wait(self) -> None:
        raise docker.errors.NotFound("No such container")


def test_a_container_that_is_removed_from_outside_is_a_failure_of_its_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def made(*_: object) -> Iterator[Gone]:
        yield Gone()

    monkeypatch.setattr(engine, "container", made)
    client: Any = None
    task: Any = SimpleNamespace(seconds=60)
    with pytest.raises(CellFailed, match="removed from outside"):
        engine.run(client, task, io.StringIO())
