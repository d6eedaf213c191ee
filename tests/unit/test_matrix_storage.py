"""The matrix's images in a folder: what is written, kept, left out, and refused."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from command import Problem
from matrix import HERE, __main__, cells, containers, data, engine, storage
from matrix.archives import Shelf
from matrix.containers import Site
from matrix.snapshot import Snapshot

PLENTY = 1 << 30


@dataclass
class Store:
    """A daemon's images: identities by tag. saved says what it was asked for."""

    images: dict[str, str]
    saved: list[list[str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store(images={"base:1": "sha256:b", "python:2": "sha256:p", "other:3": "sha256:o"})

    def saved(_: Any, tags: Sequence[str]) -> Generator[bytes, None, None]:
        store.saved.append(list(tags))
        for tag in tags:
            yield f"{tag}={store.images[tag]}\n".encode()

    def load(_: Any, blocks: Iterator[bytes]) -> None:
        for line in b"".join(blocks).decode().split():
            tag, _, identity = line.partition("=")
            store.images[tag] = identity

    monkeypatch.setattr(engine, "image_id", lambda _, tag: store.images[tag])
    monkeypatch.setattr(engine, "has_image", lambda _, tag: tag in store.images)
    monkeypatch.setattr(engine, "saved_images", saved)
    monkeypatch.setattr(engine, "load_images", load)
    return store


WANTED = {"old": ["base:1", "python:2"], "new": ["other:3"]}


def save(
    store: Store, folder: Path, wanted: dict[str, list[str]] = WANTED, most: int = PLENTY
) -> list[str]:
    said: list[str] = []
    client: Any = store
    storage.save(client, folder, wanted, most, said.append)
    return said


def load(store: Store, folder: Path) -> list[str]:
    said: list[str] = []
    client: Any = store
    storage.load(client, folder, said.append)
    return said


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_loaded_where_it_is_missing(store: Store, tmp_path: Path) -> None:
    save(store, tmp_path)
    before = dict(store.images)
    del store.images["python:2"]
    assert load(store, tmp_path) == [
        "old.tar.gz: 2 images are loaded",
        "new.tar.gz: the images are there",
    ]
    assert store.images == before


def test_a_file_that_is_right_is_not_written_again(store: Store, tmp_path: Path) -> None:
    save(store, tmp_path)
    store.images["python:2"] = "sha256:changed"
    store.saved.clear()
    assert save(store, tmp_path)[1] == "new.tar.gz is still right"
    assert store.saved == [["base:1", "python:2"]]


def test_what_no_cell_needs_any_more_is_dropped(store: Store, tmp_path: Path) -> None:
    save(store, tmp_path)
    (tmp_path / "killed.tar.gz.part").touch()
    save(store, tmp_path, {"new": ["other:3"]})
    assert files(tmp_path) == ["index.json", "new.tar.gz"]


def test_the_folder_does_not_get_larger_than_it_may(store: Store, tmp_path: Path) -> None:
    first = save(store, tmp_path, {"new": ["other:3"]})
    size = (tmp_path / "new.tar.gz").stat().st_size
    said = save(store, tmp_path, {"new": ["other:3"], "old": WANTED["old"]}, most=size + 10)
    assert "new.tar.gz" in first[0]
    assert said == [
        "new.tar.gz is still right",
        "old.tar.gz is left out: the folder would be larger than 0 MB",
    ]
    assert files(tmp_path) == ["index.json", "new.tar.gz"]


def test_a_smaller_bound_drops_what_was_saved_before(store: Store, tmp_path: Path) -> None:
    save(store, tmp_path)
    save(store, tmp_path, most=10)
    assert files(tmp_path) == ["index.json"]


def test_a_damaged_file_is_said_and_removed(store: Store, tmp_path: Path) -> None:
    save(store, tmp_path)
    file = tmp_path / "old.tar.gz"
    content = file.read_bytes()
    file.write_bytes(content[:20] + bytes(len(content) - 20))
    store.images.clear()
    said = load(store, tmp_path)
    assert said[0].startswith("old.tar.gz is damaged, and is removed: ")
    assert store.images == {"other:3": "sha256:o"}
    assert files(tmp_path) == ["index.json", "new.tar.gz"]


def test_a_file_that_was_cut_off_does_not_count(store: Store, tmp_path: Path) -> None:
    save(store, tmp_path)
    with (tmp_path / "old.tar.gz").open("r+b") as file:
        file.truncate(20)
    assert load(store, tmp_path) == ["new.tar.gz: the images are there"]
    assert save(store, tmp_path)[0].startswith("old.tar.gz: 2 images")


def test_a_folder_that_is_not_there_yet_is_no_error(store: Store, tmp_path: Path) -> None:
    assert load(store, tmp_path / "none") == [f"{tmp_path / 'none'} has no images yet"]


def test_an_index_of_something_else_is_a_usage_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("[1]")
    with pytest.raises(Problem, match=r"index.json is not an index"):
        load(store, tmp_path)


def test_a_file_that_cannot_be_written_is_not_blamed_on_docker(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match=r"cannot write .*/file/images: Not a directory"):
        save(store, tmp_path / "file" / "images")


@pytest.mark.parametrize(
    "words", [[], ["save"], ["lose", "x"], ["load", "x", "y"], ["save", "x", "nosuch-*"]]
)
def test_wrong_words_are_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    if len(words) > 1:
        words[1] = str(tmp_path / words[1])
    assert __main__.main(["images", *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith(("matrix: images takes", "matrix: no cell matches"))
    assert told.count("\n") == 1


@pytest.mark.parametrize("words", [["--only", "x"], ["--since", "main"], ["--shard", "1/2"]])
def test_what_is_loaded_cannot_be_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert __main__.main(["images", "load", str(tmp_path), *words]) == 2
    told = "matrix: images load takes all that the folder has: no --only, --since or --shard\n"
    assert capsys.readouterr().err == told


def test_a_bound_is_for_images_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["list", "--most", "1g"]) == 2
    assert capsys.readouterr().err == "matrix: --most is for images, not for list\n"


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A daemon that has these images. Each image's identity is its name."""

    there: dict[str, str]

    @property
    def images(self) -> "Daemon":
        return self

    def get(self, name: str) -> Any:
        if name not in self.there:
            raise docker.errors.ImageNotFound(name)
        return type("Image", (), {"id": self.there[name]})()


def test_images_that_are_not_built_are_neither_saved_nor_built(tmp_path: Path) -> None:
    client: Any = Daemon(there={"debian:bookworm": "sha256:1"})
    known = data.load(HERE / "matrix.toml")
    site = Site(
        client=client,
        data=known,
        shelf=Shelf(sources=None, cache=tmp_path, lock=tmp_path / "lock"),
        snapshot=Snapshot(files=b"", compiled="", revision=""),
        logs=tmp_path / "none",
        stamps=tmp_path / "none",
        builds=False,
    )
    chosen = cells.select(cells.expand(known), ["*-py3.11-bookworm", "*-py3.13-trixie"])
    assert containers.images_of(site, chosen) == {"bookworm": ["debian:bookworm"]}
