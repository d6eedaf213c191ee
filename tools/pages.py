"""Translates the repository's pages into pages for the generator of the site.

The pages are written for readers of the repository. The site needs these changes:

- Pages outside of docs/ become pages of the site, below project/. A link to any other file outside
  of docs/ becomes plain text.
- A link that has the name of its file for a text gets the title of that page.
- Comments disappear. Those that tests/harness/guides.py knows say what a block is: its language,
  and the name of its file.
- Indented blocks become fenced ones, which have a language. A paragraph that only names the file
  of the block disappears, since the block has the name.
- What is inside of a list is indented by four columns, as Python's Markdown wants it.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]

COMMENT = re.compile(r"<!--(?: (\w+)(?::[ ]?(.*?))?(?:\n(.*?))?)?\s*-->|<!--.*?-->", re.DOTALL)
NAMED = ("file", "append")
WITH_BLOCK = (*NAMED, "run", "configuration", "ask", "log", "traceback", "refused", "shown")
MARK = "\x00"
BLOCK = "    "
LINK = re.compile(r"\[([^\[\]]*)\]\(([^)\s]+)\)")
FENCED = re.compile(r"(^```[^\n]+\n.*?^```$)", re.DOTALL | re.MULTILINE)
NAMED_TWICE = re.compile(r"^`([^`\n]+)`:\n\s*(``` \{[^\n]* title=\"\1\")", re.MULTILINE)
FILE_NAME = re.compile(r"`?[\w./-]+\.md`?")
CODE = re.compile(r"`[^`]+`")
ITEM = re.compile(r"( *)([-*] |\d+\. )")

KINDS = {"run": "sh", "configuration": "apache", "traceback": "pytb"}
APACHE = r"[ ]*(</?[A-Z]\w+|Set(Env|Handler)|(Script)?Alias|(Load|Add)Module|Rewrite\w+|Options)\b"
SHELL = (
    r"(\./dev|apt(-get)?|sudo|a2\w+|ch(mod|own)|mkdir|pip|python3|cd|git|docker|mod_wsgi|export) "
)
LANGUAGES = (
    ("apache", APACHE),
    ("python", r"(def|class|import|from) |@\w"),
    ("pytb", r"Traceback "),
    ("sh", SHELL),
)
SUFFIXES = {".py": "python", ".wsgi": "python", ".htaccess": "apache", ".conf": "apache"}


def outer_pages() -> dict[str, str]:
    """The pages outside of docs/, each with its place on the site."""
    found = [*TOP.glob("*.md"), *TOP.glob("*/README.md")]
    names = (str(path.relative_to(TOP)) for path in sorted(found) if path.parent.name != "docs")
    return {name: f"project/{name.replace('/', '-').lower()}" for name in names}


def translate(target: Path) -> None:
    """Writes all pages of the site, and the files that they show, into the folder."""
    for path in (TOP / "docs").rglob("*"):
        place = path.relative_to(TOP / "docs")
        if path.suffix == ".md":
            write(target / place, translated(path.read_text(), str(place)))
        elif path.is_file():
            write(target / place, path.read_text())
    for name, there in outer_pages().items():
        write(target / there, translated((TOP / name).read_text(), there))


def write(path: Path, text: str) -> None:
    """Writes the file, unless it is like that: who watches it sees changes only."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def translated(markdown: str, place: str) -> str:
    """The Markdown of a page as the site's generator reads it."""
    without_comments = COMMENT.sub(marked, markdown)
    lines = "\n".join(lists(fenced(without_comments.splitlines()))) + "\n"
    lines = NAMED_TWICE.sub(r"\2", lines)
    parts = FENCED.split(lines)  # every second one is a block
    return "".join(
        part if number % 2 else relinked(bars(part), place) for number, part in enumerate(parts)
    )


def marked(comment: re.Match[str]) -> str:
    """A mark before the block that the comment announces; nothing if there is none."""
    kind, argument, own = comment[1], comment[2] or "", comment[3] or ""
    announced = kind in WITH_BLOCK and (kind == "shown" or not own)
    if announced and (kind in (*NAMED, "shown") or not argument):
        return f"{MARK}{kind}:{argument}"
    return ""


def fenced(lines: list[str]) -> Iterator[str]:
    """The lines, with a fence around each indented block that is in no list."""
    mark, place, listed, blank = "", 0, False, True
    while place < len(lines):
        line = lines[place]
        if line.startswith(MARK):
            mark, listed = line[1:], False
            yield ""
        elif line.startswith(BLOCK) and blank and not listed:
            block = block_at(lines[place:])
            yield from fence(block, mark)
            place += len(block)
            mark = ""
            continue
        else:
            yield line
        if line.strip() and not line.startswith(MARK):
            listed = bool(ITEM.match(line)) or (listed and line.startswith("  "))
        blank = not line.strip() or line.startswith(MARK)
        place += 1


def block_at(lines: list[str]) -> list[str]:
    """The indented lines at the beginning, without empty ones at their end."""
    block: list[str] = []
    for line in lines:
        if line.strip() and not line.startswith(BLOCK):
            break
        block.append(line)
    while not block[-1].strip():
        block.pop()
    return block


def fence(block: list[str], mark: str) -> Iterator[str]:
    kind, _, argument = mark.partition(":")
    code = [line.removeprefix(BLOCK) for line in block]
    title = f' title="{argument}"' if kind in NAMED else ""
    yield f"``` {{.{language(kind, argument, code)}{title}}}"
    yield from code
    yield "```"
    yield ""


def language(kind: str, argument: str, code: list[str]) -> str:
    if kind in KINDS:
        return KINDS[kind]
    suffix = Path(argument).suffix or Path(argument).name
    if kind in NAMED and suffix in SUFFIXES:
        return SUFFIXES[suffix]
    for name, beginning in LANGUAGES:
        if re.match(beginning, code[0]):
            return name
    return "text"


def lists(lines: Iterator[str]) -> Iterator[str]:
    """The lines, those of a list indented by four columns for each list around them."""
    contents: list[int] = []  # the column where each open item's text begins
    open_fence = False
    blank = True
    for line in lines:
        open_fence ^= line.startswith("```")
        if open_fence or line.startswith("```") or not line.strip():
            contents = [] if open_fence else contents
            blank = not line.strip()
            yield line
            continue
        width = len(line) - len(line.lstrip())
        item = ITEM.match(line)
        if item or blank:
            contents = [each for each in contents if each <= width]
        depth = sum(each <= width for each in contents)
        extra = width - contents[depth - 1] if depth else width
        yield BLOCK * depth + " " * extra + line.lstrip()
        if item:
            contents = [*contents[:depth], width + len(item[2])]
        blank = False


def bars(text: str) -> str:
    """The text with plain bars in the code of tables: there the site would show the backslash."""
    lines = text.splitlines(keepends=True)
    return "".join(
        CODE.sub(lambda code: code[0].replace("\\|", "|"), line) if line.startswith("|") else line
        for line in lines
    )


def relinked(text: str, place: str) -> str:
    """The text with links that lead to the same pages from this place on the site."""
    outer = {where: name for name, where in outer_pages().items()}
    own = outer.get(place, f"docs/{place}")

    def link(found: re.Match[str]) -> str:
        words, goal = found[1], found[2]
        if not words or re.match(r"\w+:|#", goal):
            return found[0]
        name, hash_mark, anchor = goal.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(own), name))
        where = place_of(target)
        if not where:
            return words
        relative = posixpath.relpath(where, posixpath.dirname(place) or ".")
        if FILE_NAME.fullmatch(words):
            words = title(target) or words
        return f"[{words}]({relative}{hash_mark}{anchor})"

    return LINK.sub(link, text)


def title(target: str) -> str:
    """The title of a page of the repository; "" if there is no such page."""
    path = TOP / target
    lines = path.read_text().splitlines() if path.is_file() else []
    return lines[0].removeprefix("# ") if lines and lines[0].startswith("# ") else ""


def place_of(target: str) -> str:
    """Where the repository's file is on the site; "" if it is not there."""
    if target.startswith("docs/"):
        index = "/README.md" if (TOP / target).is_dir() else ""
        return target.removeprefix("docs/") + index
    return outer_pages().get(target, "")
