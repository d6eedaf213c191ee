"""Builds the documentation site into build/site, and looks whether it is sound.

The generator stops at a link to a page or a heading that is not there. This program then looks
through the HTML: each link has a goal, and a reader's browser asks no other server for anything.
"""

import argparse
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools import pages

TOP = pages.TOP
BUILD = TOP / "build"
SOURCE = BUILD / "site-pages"
SITE = BUILD / "site"
CONFIG = BUILD / "site.yml"

DECISIONS = "      - Decisions: decisions/README.md\n"
STYLE_SOURCE = re.compile(r"@import|url\(\s*[\"']?(?:https?:)?//")


def main() -> int:
    """Builds and checks the site, or shows it while the pages are edited."""
    parser = argparse.ArgumentParser(prog="dev docs", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="show the site on 127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="for --serve; 8000 by default")
    arguments = parser.parse_args()
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.rmtree(SITE, ignore_errors=True)
    prepare()
    if arguments.serve:
        return serve(arguments.port)
    built = zensical("build", "--strict").wait()
    complaints = [] if built else sorted(faults(SITE))
    for complaint in complaints:
        print(complaint)
    print(f"{SITE.relative_to(TOP)}: " + ("FAILED" if built or complaints else "ok"))
    return int(bool(built or complaints))


def prepare() -> None:
    """Writes what the generator reads: the pages, and a configuration with all decisions."""
    pages.translate(SOURCE)
    config = (TOP / "mkdocs.yml").read_text()
    names = sorted(path.name for path in (TOP / "docs" / "decisions").glob("0*.md"))
    entries = ["          - decisions/README.md\n"]
    entries += [f"          - decisions/{name}\n" for name in names]
    config = config.replace(DECISIONS, "      - Decisions:\n" + "".join(entries))
    pages.write(CONFIG, config.replace(": build/", ": "))


def serve(port: int) -> int:
    """Shows the site until Ctrl-C. The generator watches the translated pages."""
    threading.Thread(target=follow, daemon=True).start()
    try:
        return zensical("serve", "--dev-addr", f"127.0.0.1:{port}").wait()
    except KeyboardInterrupt:
        return 0


def follow() -> None:
    while True:
        time.sleep(1)
        pages.translate(SOURCE)


def zensical(*words: str) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", "zensical", words[0], "-f", str(CONFIG), *words[1:])
    return subprocess.Popen(command, cwd=BUILD)


class Page(HTMLParser):
    """What a page of the site refers to, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        """Reads the page."""
        super().__init__()
        self.links: list[str] = []
        self.parts: list[str] = []
        self.anchors: set[str] = {"", "__top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") != "canonical":
            self.parts.append(values.get("href", ""))
        elif "src" in values:
            self.parts.append(values["src"])


def faults(site: Path) -> Iterator[str]:
    """A line for each link without a goal, and for each part that another server would send."""
    found = {
        path.resolve(): Page(path.read_text())
        for path in site.rglob("*.html")
        if path.name != "404.html"  # its links begin at the root of whatever server has the site
    }
    for path, page in found.items():
        name = path.relative_to(site.resolve())
        for part in page.parts:
            if urlsplit(part).netloc:
                yield f"{name}: {part} is another server's"
        for link in (*page.links, *page.parts):
            if not urlsplit(link).scheme and not leads(path, link, found):
                yield f"{name}: {link} leads nowhere"
    for path in site.rglob("*.css"):
        if STYLE_SOURCE.search(path.read_text()):
            yield f"{path.relative_to(site)}: a part is another server's"


def leads(path: Path, link: str, found: dict[Path, Page]) -> bool:
    """Whether the link on this page leads to a file, and to an anchor if it names one."""
    parts = urlsplit(link)
    goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    goal = goal / "index.html" if goal.is_dir() else goal
    if goal not in found:
        return goal.is_file()
    return unquote(parts.fragment) in found[goal].anchors


if __name__ == "__main__":
    sys.exit(main())
