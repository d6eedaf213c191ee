"""The matrix's base images: which is pulled, what it is kept as, pinned digests, architectures."""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from command import Problem
from matrix import (
    HERE,
    Unavailable,
    __main__,
    bases,
    data,
    engine,
    layers,
    merging,
    page,
    platforms,
    results,
    summary,
)
from matrix.described import Base
from matrix.verbs import pinning
from tests.unit.test_matrix_reports import report, result

OWN = data.load(HERE / "matrix.toml")
PLAIN = replace(OWN.bases["bookworm"], debootstrap=False)
DIGEST, OTHER = (f"sha256:{digit * 64}" for digit in "ab")
PINNED = replace(PLAIN, digest=DIGEST)
ARM = replace(OWN.bases["bookworm-arm64"], debootstrap=False)


@dataclass
class Image:
    """An image of a daemon."""

    daemon: "Daemon"
    id: str
    digests: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def attrs(self) -> dict[str, Any]:
        return {"RepoDigests": self.digests, "Config": {"Labels": self.labels}}

    def tag(self, repository: str, tag: str) -> None:
        self.daemon.named[f"{repository}:{tag}"] = self


@dataclass
class Daemon:
    """A daemon's images by name. registry has what can be pulled, by tag or digest."""

    registry: dict[str, str] = field(default_factory=dict)
    named: dict[str, Image] = field(default_factory=dict)
    pulls: list[tuple[str, str | None]] = field(default_factory=list)
    machine: str = "x86_64"
    address: str = "http+docker://localhost"
    runs: str = ""

    @property
    def images(self) -> "Daemon":
        return self

    @property
    def api(self) -> Any:
        return type("Api", (), {"base_url": self.address})()

    @property
    def containers(self) -> Any:
        def run(*_: Any, **__: Any) -> None:
            if self.runs:
                raise docker.errors.APIError(self.runs)

        return type("Containers", (), {"run": staticmethod(run)})()

    def info(self) -> dict[str, str]:
        return {"Architecture": self.machine}

    def get(self, name: str) -> Image:
        if name not in self.named:
            raise docker.errors.ImageNotFound(name)
        return self.named[name]

    def remove(self, name: str, *, noprune: bool) -> None:
        assert noprune
        del self.named[name]

    def pull(self, repository: str, tag: str, platform: str | None = None) -> Image:
        self.pulls.append((tag, platform))
        if tag not in self.registry:
            raise docker.errors.NotFound(f"manifest for {repository}:{tag} unknown")
        made = Image(self, f"{self.registry[tag]} {platform}", [f"debian@{self.registry[tag]}"])
        if not tag.startswith("sha256:"):
            made.tag(repository, tag)
        return made


def ensured(daemon: Daemon, base: Base) -> str:
    client: Any = daemon
    return bases.ensure(client, base, io.StringIO())


def origin(daemon: Daemon, base: Base) -> str:
    client: Any = daemon
    return bases.origin(client, base)


def test_a_base_without_a_digest_is_kept_under_its_own_name() -> None:
    daemon = Daemon(registry={"bookworm": OTHER})
    assert ensured(daemon, PLAIN) == "debian:bookworm"
    assert origin(daemon, PLAIN) == f"debian:bookworm is not pinned; {OTHER} is here"


def test_a_pinned_base_is_pulled_by_its_digest_whatever_has_its_name() -> None:
    daemon = Daemon(registry={DIGEST: DIGEST})
    Image(daemon, "old").tag("debian", "bookworm")
    assert ensured(daemon, PINNED) == "mod_wsgi-matrix/debian:bookworm-aaaaaaaaaaaa"
    assert daemon.pulls == [(DIGEST, None)]
    assert daemon.named["debian:bookworm"].id == "old"
    assert origin(daemon, PINNED) == f"debian:bookworm@{DIGEST}"
    daemon.registry.clear()
    assert ensured(daemon, PINNED) == "mod_wsgi-matrix/debian:bookworm-aaaaaaaaaaaa"


def test_a_digest_that_the_registry_does_not_have_makes_the_cell_unavailable() -> None:
    daemon = Daemon(registry={"bookworm": OTHER})
    Image(daemon, "old").tag("debian", "bookworm")
    with pytest.raises(Unavailable, match=r"debian:bookworm cannot be pulled .*unknown"):
        ensured(daemon, PINNED)


def test_another_architecture_does_not_take_the_images_own_name() -> None:
    daemon = Daemon(registry={"bookworm": OTHER})
    assert ensured(daemon, ARM) == "mod_wsgi-matrix/debian:bookworm-arm64"
    assert daemon.pulls == [("bookworm", "linux/arm64")]
    assert set(daemon.named) == {"mod_wsgi-matrix/debian:bookworm-arm64"}
    Image(daemon, "native").tag("debian", "bookworm")
    del daemon.named["mod_wsgi-matrix/debian:bookworm-arm64"]
    ensured(daemon, ARM)
    assert daemon.named["debian:bookworm"].id == "native"


def test_what_debootstrap_made_does_not_pass_for_a_pinned_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def debootstrap(client: Any, base: Base, _: Any) -> None:
        made.append(base.made)
        Image(client, "made", labels={layers.ORIGIN: "debootstrap"}).tag(*base.made.split(":"))

    monkeypatch.setattr(bases, "debootstrap", debootstrap)
    daemon, base = Daemon(), replace(PINNED, debootstrap=True)
    for _ in range(2):
        assert ensured(daemon, base) == "mod_wsgi-matrix/debian:bookworm"
    assert made == ["mod_wsgi-matrix/debian:bookworm"]
    assert "made by debootstrap on this machine, so it has no digest" in origin(daemon, base)
    daemon.registry[DIGEST] = DIGEST
    assert ensured(daemon, base) == "mod_wsgi-matrix/debian:bookworm-aaaaaaaaaaaa"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("quay.io/almalinuxorg/almalinux:9", "mod_wsgi-matrix/quay.io-almalinuxorg-almalinux:9"),
        ("127.0.0.1:5000/debian:sid", "mod_wsgi-matrix/127.0.0.1-5000-debian:sid"),
    ],
)
def test_the_name_of_a_pinned_image_has_its_registry_in_it(image: str, name: str) -> None:
    assert replace(PINNED, image=image).kept == f"{name}-aaaaaaaaaaaa"


def pin(text: str, name: str, digest: str) -> str:
    return pinning.pinned(text, name, digest)


def test_a_digest_is_written_below_the_image_and_nothing_else_changes() -> None:
    text = (HERE / "matrix.toml").read_text()
    once = pin(text, "bookworm", DIGEST)
    image = 'image = "debian:bookworm"\n'
    assert once == text.replace(image, f'{image}digest = "{DIGEST}"\n', 1)
    assert pin(once, "bookworm", OTHER) == once.replace(DIGEST, OTHER)
    known = data.parse(once)
    assert known.bases["bookworm"].digest == known.bases["bookworm-arm64"].digest == DIGEST
    assert known.bases["trixie"].digest == OWN.bases["trixie"].digest


def test_refresh_pins_what_can_be_pulled_and_says_what_cannot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(registry={"bookworm": OTHER})

    class Connected:
        def __enter__(self) -> Daemon:
            return daemon

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(engine, "connected", Connected)
    file = tmp_path / "matrix.toml"
    file.write_text((HERE / "matrix.toml").read_text())
    words = ["bases", "--refresh", "--data", str(file)]
    assert __main__.main([*words, "bookworm", "bookworm-arm64", "trixie"]) == 3
    assert capsys.readouterr().out.splitlines() == [
        f"bookworm: debian:bookworm is now {OTHER}",
        "trixie: not refreshed - manifest for debian:trixie unknown",
    ]
    assert data.load(file).bases["bookworm"].digest == OTHER
    assert __main__.main([*words, "bookworm"]) == 0
    assert "is still" in capsys.readouterr().out


def test_a_data_file_that_cannot_be_changed_so_is_said(tmp_path: Path) -> None:
    file = tmp_path / "matrix.toml"
    file.write_text((HERE / "matrix.toml").read_text().replace("[bases.sid]", "[ bases.sid ]"))
    with pytest.raises(Problem, match=r"write it yourself: bases.sid.digest"):
        pinning.write(file, "sid", DIGEST)


@pytest.mark.parametrize("digest", ["latest", "sha256:12", f"sha512:{'a' * 64}"])
def test_a_digest_that_is_none_is_a_mistake(digest: str) -> None:
    text = (HERE / "matrix.toml").read_text()
    with pytest.raises(Problem, match=r"bases.sid.digest is not sha256: and 64"):
        data.parse(pin(text, "sid", digest))


ENABLED = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\n"


@pytest.mark.parametrize(
    ("handler", "there"),
    [
        (ENABLED, True),
        (ENABLED.replace("enabled", "disabled"), False),
        (ENABLED.replace("OCF", "OC"), False),
        (None, False),
    ],
)
def test_an_emulator_is_missed_before_anything_is_pulled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, handler: str | None, there: bool
) -> None:
    monkeypatch.setattr(platforms, "HANDLERS", tmp_path)
    if handler is not None:
        (tmp_path / "qemu-aarch64").write_text(handler)
    client: Any = Daemon()
    told = platforms.outlook(client, ARM)
    assert (told == "") is there
    assert there or "install qemu-user-static" in told
    assert platforms.outlook(client, PLAIN) == ""


@pytest.mark.parametrize(
    "daemon", [Daemon(machine="aarch64"), Daemon(machine="arm64"), Daemon(address="http://far")]
)
def test_no_emulator_of_this_machine_is_missed_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, daemon: Daemon
) -> None:
    monkeypatch.setattr(platforms, "HANDLERS", tmp_path)
    client: Any = daemon
    assert platforms.outlook(client, ARM) == ""


def test_a_machine_that_cannot_run_a_base_is_said_by_running_it() -> None:
    client: Any = Daemon(runs="exec /bin/true: Exec format error")
    with pytest.raises(Unavailable, match=r"cannot run programs of arm64: install qemu-user"):
        platforms.check(client, ARM, "x")
    platforms.check(client, PLAIN, "x")
    other: Any = Daemon(runs="the disk is full")
    with pytest.raises(docker.errors.APIError):
        platforms.check(other, ARM, "x")


def test_an_image_of_one_layer_says_its_architecture_and_what_made_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken: list[bytes] = []

    def load(_: Any, blocks: Iterator[bytes]) -> None:
        taken.append(b"".join(blocks))

    monkeypatch.setattr(engine, "load_images", load)
    layer = tmp_path / "layer.tar"
    layer.write_bytes(b"content")
    client: Any = None
    layers.load(client, layer, "debian:x", "arm64", "debootstrap")
    with tarfile.open(fileobj=io.BytesIO(taken[0])) as archive:
        read = {name: archive.extractfile(name) for name in archive.getnames()}
        content = {name: stream.read() for name, stream in read.items() if stream}
    assert content["layer.tar"] == b"content"
    assert json.loads(content["manifest.json"]) == [
        {"Config": "config.json", "RepoTags": ["debian:x"], "Layers": ["layer.tar"]}
    ]
    config = json.loads(content["config.json"])
    assert config["architecture"] == "arm64"
    assert config["config"]["Labels"] == {layers.ORIGIN: "debootstrap"}
    assert config["rootfs"]["diff_ids"][0].startswith("sha256:ed7002b439e9ac845f22357d822bac14")


def test_list_says_which_bases_no_digest_pins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    file = tmp_path / "matrix.toml"
    text = (HERE / "matrix.toml").read_text()
    for name in ("bookworm", "trixie"):
        text = pin(text, name, DIGEST)
    file.write_text(text)
    words = ["list", "*-prefork-py3.1?-bookworm", "*-prefork-py3.1?-trixie", "--data", str(file)]
    assert __main__.main(words) == 0
    assert capsys.readouterr().err == ""
    assert __main__.main([*words, "*-prefork-py3.14-sid"]) == 0
    assert capsys.readouterr().err == (
        "matrix: no digest pins sid: ./dev matrix bases --refresh\n"
    )


def test_every_report_says_which_images_the_bases_were(tmp_path: Path) -> None:
    told = f"sid: debian:sid@{DIGEST}"
    whole = report(result("passed"), bases=(told,))
    assert f"<li>{told}</li>" in page.render(whole, set())
    assert f"- {told}" in summary.render(whole).splitlines()
    results.save(tmp_path / "report.json", whole)
    assert results.load(tmp_path / "report.json") == whole
    parts = [merging.Part(name=name, folder=tmp_path, report=whole) for name in "ab"]
    assert merging.merge(parts, {}, []).bases == (told,)
