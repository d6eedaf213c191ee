"""The documents for people: lines fit, links lead somewhere, decisions are listed."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from command import TOP

WIDTH = 100
FOLDERS = ("docs", "tests", ".github", "matrix", "bench", "examples")
DOCUMENTS = sorted(
    [*TOP.glob("*.md"), *(path for folder in FOLDERS for path in (TOP / folder).rglob("*.md"))]
)
DECISIONS = TOP / "docs" / "decisions"
PAGES = sorted(DECISIONS.glob("[0-9]*.md"))

# Programs write these, or the part of them between the marks.
GENERATED = (TOP / "docs" / "tested.md",)
GENERATED_PART = re.compile(r"<!-- bench: begin.*?<!-- bench: end -->", re.DOTALL)

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PARTS = ["Context", "Decision", "Consequences", "What was measured"]


def named(path: Path) -> str:
    return str(path.relative_to(TOP))


def without_generated(text: str) -> str:
    """The same text, empty lines instead of what a program has written."""
    return GENERATED_PART.sub(lambda match: "\n" * match[0].count("\n"), text)


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines outside of code blocks, with their numbers."""
    fenced = in_paragraph = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and (in_paragraph or not line.startswith("    ")):
            yield number, line
            in_paragraph = bool(line.strip()) and not line.startswith("#")


def width(line: str) -> int:
    """A line without the targets of links; rows of tables and comments do not count."""
    return (
        0
        if line.startswith(("|", "<!--"))
        else len(re.sub(r"\]\([^)]*\)|https?://\S+", "]", line))
    )


def targets(text: str) -> list[str]:
    without_code = (re.sub(r"`[^`]*`", "", line) for _, line in prose(text))
    return LINK.findall("\n".join(without_code))


def is_external(target: str) -> bool:
    return urlsplit(target).scheme != ""


def links(text: str) -> list[str]:
    return [target for target in targets(text) if not is_external(target)]


def is_whole(target: str) -> bool:
    """Whether an external link could lead somewhere: nothing asks whether it does."""
    parts = urlsplit(target)
    return (
        parts.scheme in {"http", "https"}
        and re.fullmatch(r"([a-z0-9-]+\.)+[a-z]+", parts.netloc) is not None
        and re.fullmatch(r"[\w./~%+-]*", parts.path) is not None
        and not target.endswith((".", ","))
    )


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = [line.lstrip("#").strip() for _, line in prose(text) if line.startswith("#")]
    slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    repeated = {
        f"{slug}-{slugs[:place].count(slug)}"
        for place, slug in enumerate(slugs)
        if slug in slugs[:place]
    }
    return {*slugs, *repeated}


def test_there_are_documents_to_judge() -> None:
    assert {TOP / "README.md", TOP / "docs" / "configuration.md"} <= set(DOCUMENTS)


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path not in GENERATED], ids=named)
def test_a_line_of_prose_fits(path: Path) -> None:
    """Tables, code blocks and the targets of links may be longer."""
    lines = prose(without_generated(path.read_text()))
    long = [
        f"{named(path)}:{number}: {width(line)}" for number, line in lines if width(line) > WIDTH
    ]
    assert long == [], f"wrap these lines at {WIDTH} columns"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_a_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    for link in links(path.read_text()):
        name, _, anchor = link.partition("#")
        goal = (path.parent / name).resolve() if name else path
        assert goal.exists(), f"{named(path)}: there is no {link}"
        if anchor and goal.suffix == ".md":
            assert anchor in anchors(goal.read_text()), f"{named(path)}: no heading for {link}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_a_link_to_elsewhere_is_whole(path: Path) -> None:
    broken = [
        link for link in targets(path.read_text()) if is_external(link) and not is_whole(link)
    ]
    assert broken == []


def test_links_that_are_not_whole_are_found() -> None:
    assert is_whole("https://www.example.org/a/b-c.html#d")
    for broken in (
        "https:/example.org",
        "htps://example.org",
        "https://example",
        "https://a.org.",
    ):
        assert is_external(broken)
        assert not is_whole(broken)


def test_long_lines_and_links_are_found() -> None:
    text = "# A title: it's `one`\n\n    code [a](b.md)\n\nprose [c](d.md#e) `[f](g.md)`\n"
    assert [line for _, line in prose(text)][-1].startswith("prose")
    assert links(text) == ["d.md#e"]
    assert anchors(text) == {"a-title-its-one"}
    assert width("x" * 101) > WIDTH
    assert width("[x](" + "y" * 101 + ")") < WIDTH


def title(path: Path) -> str:
    return path.read_text().splitlines()[0].removeprefix(f"# {path.name[:4]}. ")


def test_the_index_has_the_decisions() -> None:
    rows = re.findall(
        r"^\| \[(\d+)\]\((\S+)\) \| (.*) \|$", (DECISIONS / "README.md").read_text(), re.MULTILINE
    )
    assert rows == [(path.name[:4], path.name, title(path)) for path in PAGES]
    assert len({number for number, _, _ in rows}) == len(rows)


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_a_decision_has_its_parts(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.name[:4]}. ")
    parts = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert parts in (PARTS, PARTS[:-1])


@pytest.mark.parametrize(
    "path", [TOP / "ARCHITECTURE.md", TOP / "CONTRIBUTING.md", *PAGES], ids=named
)
def test_files_and_functions_that_are_named_exist(path: Path) -> None:
    text = path.read_text()
    for name in re.findall(r"`((?:core|adapters|tests|tools|docs|matrix|bench)/[\w./-]+)`", text):
        assert (TOP / name).exists(), f"{named(path)}: there is no {name}"
    sources = "".join(
        source.read_text()
        for folder in ("core", "adapters")
        for source in sorted((TOP / folder).rglob("*.[ch]"))
    )
    for symbol in re.findall(r"`(wsgi_\w+|WSGI_\w+)(?:\(\))?`", text):
        assert re.search(rf"\b{symbol}\b", sources), f"{named(path)}: there is no {symbol}"
