"""Whether each URL reaches what it should: static files beside an application, and access."""

from collections.abc import Iterator

from .applications import is_there, similar
from .handlers import OURS
from .patient import Finding, Patient
from .reading import Line, Opened

# Sections that are about a part of what is in a directory.
PARTS = ("files", "filesmatch", "limit", "limitexcept")
# Aliases that come with servers. Nobody misses these files.
USUAL = ("/icons", "/error", "/manual", "/javascript", "/cgi-bin")


def check(patient: Patient) -> Iterator[Finding]:
    for line in patient.named("alias", "scriptalias"):
        yield from swallowed(patient, line)
        yield from misled(patient, line)
    if patient.is_modern:
        yield from refused(patient)


def located(patient: Patient, name: str, url: str, host: Opened | None) -> list[Line]:
    """The lines with that directive in sections for the URL, in the order that they count in."""
    found = [
        line
        for line in patient.named(name)
        if line.host in {None, host}
        and line.place
        and line.place.name.startswith("location")
        and line.place.covers(url)
    ]
    return sorted(found, key=lambda line: line.host is not None)


def swallowed(patient: Patient, alias: Line) -> Iterator[Finding]:
    """A section for a URL above takes the files' URLs, too, if none behind it gives them back."""
    url = alias.words[0].rstrip("/")
    if not url or url in USUAL:
        return
    chosen = located(patient, "sethandler", url, alias.host)
    if not chosen or chosen[-1].words[0] != OURS[0] or chosen[-1].place is None:
        return
    place = chosen[-1].place
    if chosen[-1].host != alias.host or place.path.rstrip("/") == url:
        return
    handler = "default-handler" if patient.program.line == "1.3" else "none"
    yield Finding(
        where=alias.where,
        what=f"the application of <Location {place.path}> gets the URLs below {url}, too, and not "
        "this Alias",
        remedy="write behind that section:\n"
        f"<Location {url}/>\n    SetHandler {handler}\n</Location>",
    )


def misled(patient: Patient, alias: Line) -> Iterator[Finding]:
    """An Alias puts the rest of the URL behind its directory, which has to be there."""
    url, target = alias.words[0], "".join(alias.words[1:2])
    if not target or url.rstrip("/") in USUAL or "%{" in target:
        return
    path = patient.root / target
    if url.endswith("/") and not target.endswith("/"):
        yield Finding(
            where=alias.where,
            what=f"{url} ends with a slash, and {target} does not: Apache looks for {url}x in "
            f"{target}x",
            remedy=f"write {target}/",
        )
    elif not is_there(path):
        yield Finding(
            where=alias.where,
            what=f"there is no file or directory {path} for the URLs of this Alias",
            remedy=similar(path) or "make it, or name the right one",
        )


def refused(patient: Patient) -> Iterator[Finding]:
    """Apache grants access by directory; a URL of an application belongs to the DocumentRoot."""
    for line in patient.named("sethandler"):
        place = line.place
        if line.words[0] != OURS[0] or place is None or not place.name.startswith("location"):
            continue
        if place.is_pattern or located(patient, "require", place.path, line.host):
            continue
        root = patient.last("documentroot", line.host)
        folder = root.words[0] if root else str(patient.program.root / "htdocs")
        deciding = [
            each
            for each in patient.named("require")
            if each.place and each.place.name.startswith("directory") and each.place.covers(folder)
            if not any(section.name in PARTS for section in each.sections)
        ]
        if deciding and [word.lower() for word in deciding[-1].words[:2]] == ["all", "denied"]:
            yield Finding(
                where=line.where,
                what=f"everybody is refused (403): {deciding[-1].where[:-2]} denies {folder}, and "
                f"<Location {place.path}> grants nothing",
                remedy="write Require all granted into the section",
            )
