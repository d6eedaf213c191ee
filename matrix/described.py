"""What matrix.toml describes, as data.py has read it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PREFIX = "mod_wsgi-matrix"

# As Docker names them, with the machine's name. Debian's names are Docker's.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the container of one cell may use."""

    memory: str
    processes: int
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Manager:
    """A program that installs packages."""

    name: str
    install: str  # a command of the shell, with {packages}
    prepare: tuple[str, ...]  # commands before the first package
    settings: str | None  # the file that a base's settings are written to
    missing: str  # a regular expression of what it says if it cannot get a package


@dataclass(frozen=True, kw_only=True)
class Base:
    """A system that cells run on: an image, and what is installed on top of it.

    architecture is "" if it is that of the daemon's own machine.
    """

    name: str
    image: str
    debootstrap: bool
    manager: Manager
    settings: tuple[str, ...]
    packages: tuple[str, ...]
    modules: tuple[str, ...] = ()  # packages of other modules, for cells of the packaged server
    digest: str = ""
    architecture: str = ""

    @property
    def kept(self) -> str:
        """The name that Docker keeps the image under.

        The image's own name cannot stand for one of several digests or architectures.
        """
        return "-".join(filter(None, (self.made, self.digest.removeprefix("sha256:")[:12])))

    @property
    def made(self) -> str:
        """The name of what debootstrap makes. It never passes for an image of a known digest."""
        if not self.digest and not self.architecture:
            return self.image
        repository, _, tag = self.image.rpartition(":")
        own = f"{PREFIX}/{re.sub('[:/]+', '-', repository)}:{tag}"
        return f"{own}-{self.architecture}" if self.architecture else own

    @property
    def platform(self) -> str | None:
        """As Docker asks for it."""
        return f"linux/{self.architecture}" if self.architecture else None


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Where the Python that runs the tests comes from."""

    base: str
    python: str
    packages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fix:
    """A replacement in some files of an archive, which old code needs on a current system."""

    why: str
    files: tuple[str, ...]
    find: str
    replace: str


@dataclass(frozen=True, kw_only=True)
class Signers:
    """Whose signature makes an archive trusted. The fingerprints are of whole primary keys."""

    name: str
    keys: str  # the address of a file with the keys themselves, which need not be trusted
    fingerprints: tuple[str, ...]
    sources: tuple[str, ...]  # where the fingerprints were found


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A release archive. into is the folder of another archive's tree that it is unpacked into.

    It has a sum, or signers where nobody publishes one.
    """

    name: str
    url: str
    sha256: str | None
    sources: tuple[str, ...] = ()  # where the sum was found
    signers: Signers | None = None
    into: str = ""


@dataclass(frozen=True, kw_only=True)
class Apache:
    """One line of Apache, built from its release archive and what belongs into its tree."""

    line: str
    version: str
    archive: Archive
    parts: tuple[Archive, ...]
    base: str
    mpms: tuple[str, ...]
    packages: tuple[str, ...]
    prepare: str | None
    configure: tuple[str, ...]
    environment: Mapping[str, str]
    fixes: tuple[Fix, ...]

    @property
    def one_build(self) -> bool:
        """Whether one build has every process model."""
        return not any("{mpm}" in option for option in self.configure)


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """The server that some distributions package under the same names, one for each base."""

    line: str
    bases: tuple[str, ...]
    mpms: tuple[str, ...]
    packages: tuple[str, ...]
    apxs: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a Python that nobody packages is built from."""

    version: str
    archive: Archive
    configure: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Python:
    """One Python of one base: packaged, built, or unavailable with the reason.

    on has the same version as other bases package it, by base. Only packaged servers meet these.
    """

    version: str
    base: str
    executable: str
    packages: tuple[str, ...]
    wheels: tuple[str, ...]
    source: Source | None
    unavailable: str | None
    on: "Mapping[str, Python]" = field(default_factory=dict)
    home: bool = True  # whether it is the one that servers of archives run with

    @property
    def name(self) -> str:
        return f"py{self.version}" if self.home else f"py{self.version}-{self.base}"


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Cells that are left out on purpose."""

    cells: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Time:
    """How long it takes to build and to test each of some cells."""

    cells: str
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Data:
    """The whole file."""

    limits: Limits
    bases: Mapping[str, Base]
    tools: Tools
    apaches: Mapping[str, Apache]
    packaged: Mapping[str, Packaged]  # by the base
    pythons: Mapping[str, Python]
    exclusions: tuple[Exclusion, ...]
    with_processes: tuple[str, ...]
    times: tuple[Time, ...]

    def python(self, version: str, suite: str = "") -> Python:
        """The Python of a cell: the one that its packaged server's base has, if there is one."""
        known = self.pythons[version]
        return known.on.get(suite, known)

    def archives(self) -> list[Archive]:
        """Every archive that something is built from."""
        apaches = [
            each for known in self.apaches.values() for each in (known.archive, *known.parts)
        ]
        sources = [known.source for known in self.pythons.values() if known.source]
        return apaches + [source.archive for source in sources]

    def tools_base(self, architecture: str) -> str:
        """The base of the tests' own Python for an architecture."""
        return f"{self.tools.base}-{architecture}" if architecture else self.tools.base
