"""Whether the server heeds the .htaccess files that have to do with us."""

from collections.abc import Iterator
from pathlib import Path

from .patient import Finding, Patient
from .reading import Line


def check(patient: Patient) -> Iterator[Finding]:
    for folder in patient.htaccess:
        if not may_override(patient, folder.path):
            yield Finding(
                where=f"{folder.file}: ",
                what="AllowOverride keeps the server from heeding this file",
                remedy=f"write <Directory {folder.path}> AllowOverride FileInfo </Directory> into "
                "the server's configuration",
            )
        elif not may_execute(patient, folder.path, folder.lines):
            yield Finding(
                where=f"{folder.file}: ",
                what="an application of an .htaccess file needs Options ExecCGI",
                remedy=f"write <Directory {folder.path}> Options +ExecCGI </Directory> into the "
                "server's configuration",
            )


def for_folder(patient: Patient, name: str, path: Path) -> Iterator[Line]:
    """The lines of sections for the folder: of the shortest path first, patterns last."""
    found = [
        line
        for line in patient.named(name)
        if line.place is None
        or (line.place.name.startswith("directory") and line.place.covers(str(path)))
    ]
    return iter(sorted(found, key=_weight))


def _weight(line: Line) -> tuple[bool, int]:
    place = line.place
    if place is None:
        return False, -1
    return place.is_pattern, len(Path(place.path).parts)


def may_override(patient: Patient, path: Path) -> bool:
    """Whether .htaccess files may say SetEnv and SetHandler there."""
    allowed = not patient.is_modern
    for line in for_folder(patient, "allowoverride", path):
        words = {word.lower().partition("=")[0] for word in line.words}
        allowed = bool(words & {"all", "fileinfo"})
    for line in for_folder(patient, "allowoverridelist", path):
        allowed = allowed or "setenv" in {word.lower() for word in line.words}
    return allowed


def may_execute(patient: Patient, path: Path, own: list[Line]) -> bool:
    """Whether Options has ExecCGI there."""
    allowed = not patient.is_modern
    inner = [line for line in own if line.name == "options"]
    for line in (*for_folder(patient, "options", path), *inner):
        words = [word.lower() for word in line.words]
        if not any(word[0] in "+-" for word in words):
            allowed = bool({"all", "execcgi"} & {*words})
        elif "+execcgi" in words or "-execcgi" in words:
            allowed = "+execcgi" in words
    return allowed
