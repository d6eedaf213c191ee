"""Reads a guide, does what it says in a folder and with a server of its own.

The guides are the pages of docs/guides, docs/tutorial.md and docs/command.md.

A comment that readers do not see stands before each block of a page and says what the block is:

    <!-- run -->                     commands of a shell, ended by the first that fails
    <!-- fails -->                   such commands, of which the last has another status than 0
    <!-- said -->                    lines that these commands have printed, in that order
    <!-- prints -->                  a command that prints configuration, which is added
    <!-- start -->                   a command mod_wsgi serve: the requests behind it go there
    <!-- file: /srv/shop/app.py -->  the whole file; `append:` adds to one that is there
    <!-- configuration -->           lines for Apache, added to those of the scenario before them
    <!-- ask -->                     requests with their answers: GET /cart  200  Your cart
    <!-- log -->                     lines of the error log then; ... stands for anything
    <!-- traceback -->               a traceback there; its last line counts
    <!-- refused -->                 what the server says instead of starting
    <!-- shown: WHY -->              nothing: the block is only to be read

An unannounced block is an error. What a test needs and a reader does not stands in the comment
itself: behind the colon (`<!-- ask: /cart 200 -->`) or in the lines below. No block follows then.
A request is [METHOD] /path [Header:value ...] [field=value ...] STATUS [text of head or body]. A
word in quotes that begins with a brace is a body of JSON.

Eleven comments never have a block:

    <!-- site: NAME -->              a scenario begins: a test with its own folder and server; the
                                     steps before the page's first `site` are taken there, too
    <!-- same: NAME -->              the configuration of that scenario stands here, too
    <!-- apache: 2.2 2.4 -->         the scenario is for these servers only
    <!-- module: auth_basic -->      modules of Apache that it needs besides the usual ones
    <!-- python: 3.* -->             the scenario is for these Pythons only
    <!-- needs: processes -->        what a cell needs for it, as in tests/harness/limits.py
    <!-- slow: WHY -->               it is among the slow tests
    <!-- processes: 2 -->            it needs more processes of the server than one
    <!-- without: mod_wsgi -->       the server does not load the module
    <!-- program: git -->            a program without which the scenario is left out
    <!-- perhaps: LINE -->           this line may be in the error log

Steps are taken in the page's order. The server starts before the first request. `/srv/` stands for
a scratch folder, `http://localhost/` for the server, `127.0.0.1:8080` for a second port,
`www-data` for the user that it serves as, `apache2ctl` for the server's program, and `mod_wsgi` at
the beginning of a line for the command, which is told about the test's server. Before the page's
configuration stands what Debian's has: no file may be served unless that is granted. A `python3 -m
venv` with its `pip install` becomes an environment that is kept for all tests
(tests/harness/venvs.py), with the releases that the tests are made for.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests

from command import TOP, Problem, httpd
from tests.harness import venvs
from tests.harness.cells import Cell
from tests.harness.serving import Workshop
from tests.harness.site import Site

DOCS = TOP / "docs"
PAGES = (DOCS / "tutorial.md", DOCS / "command.md", *sorted((DOCS / "guides").glob("*.md")))

# The first request of a process imports a whole framework.
TIMEOUT = 60.0

COMMENT = re.compile(r"<!-- (\w+)(?::[ ]?(.*?))?(?:\n(.*?))?\s*-->", re.DOTALL)
NAMED = ("file", "append")
COMMANDS = ("run", "fails", "said", "prints", "start")
WITH_BLOCK = (*NAMED, *COMMANDS, "configuration", "ask", "log", "traceback", "refused", "shown")
LISTS = {
    "apache": "lines",
    "module": "modules",
    "python": "pythons",
    "needs": "needs",
    "program": "programs",
}
WITHOUT_BLOCK = ("site", "same", *LISTS, "slow", "processes", "without", "perhaps")
BLOCK = "    "

VERB = re.compile(r"^mod_wsgi (serve|config|module-config|doctor|convert)\b", re.MULTILINE)
ENVIRONMENT = re.compile(r"^(?:python3 -m venv|virtualenv -p python2\.7) (\S+)$", re.MULTILINE)
INSTALLATION = re.compile(r"^\S+/bin/pip install (.+)$", re.MULTILINE)

ANSWER = re.compile(r"(.+?)\s+(\d{3})(?:\s+(.*))?\s*")
GRANTED = re.compile(r"^( *)Require all (granted|denied)$", re.MULTILINE)

STRICT = """
<Directory />
    Require all denied
</Directory>
<Directory @{www}>
    Require all granted
</Directory>
"""


class NotAPage(Exception):
    """A page that this harness cannot read, with the line to look at."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that a page says to do, or that it says will happen."""

    kind: str
    argument: str
    text: str
    place: str


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What one test does: a page, or a part of it with a server of its own."""

    name: str
    steps: tuple[Step, ...] = ()
    lines: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ("*",)
    needs: tuple[str, ...] = ()
    processes: int = 1
    loaded: bool = True
    is_slow: bool = False

    @property
    def packages(self) -> tuple[str, ...]:
        """What the scenario installs with pip."""
        commands = (step.text for step in self.steps if step.kind == "run")
        found = (INSTALLATION.findall(text) for text in commands)
        return tuple(name for lines in found for line in lines for name in shlex.split(line))


def scenarios() -> list[Scenario]:
    """Those of all pages that have any."""
    found = [each for page in PAGES for each in read(page)]
    return [each for each in found if each.steps]


def read(page: Path) -> list[Scenario]:
    """The scenarios of one page: one for each `site`, or else the page as a whole."""
    common = Scenario(name=page.stem)
    found: list[Scenario] = []
    for step in steps_of(page.read_text(), page.name):
        if step.kind == "site":
            found.append(replace(common, name=f"{page.stem}-{step.argument}"))
        elif step.kind == "same":
            found[-1] = with_configuration(found, f"{page.stem}-{step.argument}")
        elif found:
            found[-1] = with_step(found[-1], step)
        else:
            common = with_step(common, step)
    return found or [common]


def with_configuration(found: list[Scenario], name: str) -> Scenario:
    """The last scenario with the configuration of the one that has this name."""
    last = found[-1]
    named = [each for each in found[:-1] if each.name == name]
    if not named:
        raise NotAPage(f"{last.name}: there is no site {name} before it")
    taken = tuple(each for each in named[0].steps if each.kind == "configuration")
    return replace(last, steps=(*last.steps, *taken))


def with_step(scenario: Scenario, step: Step) -> Scenario:
    if step.kind in LISTS:
        listed: dict[str, Any] = {LISTS[step.kind]: tuple(step.argument.split())}
        return replace(scenario, **listed)
    if step.kind == "processes":
        return replace(scenario, processes=int(step.argument))
    if step.kind == "slow":
        return replace(scenario, is_slow=True)
    if step.kind == "without":
        return replace(scenario, loaded=False)
    if step.kind == "shown":
        return scenario
    return replace(scenario, steps=(*scenario.steps, step))


def steps_of(text: str, name: str) -> Iterator[Step]:
    """Every announced block of a page, and an error for one that nobody announced."""
    position = 0
    for comment in COMMENT.finditer(text):
        if comment.start() < position:
            raise NotAPage(f"{name}: {comment[0]} is part of a block")
        refuse_blocks(text[position : comment.start()], name)
        position = comment.end()
        kind, argument, own = comment[1], comment[2] or "", comment[3] or ""
        if kind not in (*WITH_BLOCK, *WITHOUT_BLOCK):
            raise NotAPage(f"{name}: there is no <!-- {kind} -->")
        inside = own if kind in NAMED or own else argument
        if kind in WITH_BLOCK and (kind == "shown" or not inside):
            inside, length = block_at(text[position:])
            if not length:
                raise NotAPage(f"{name}: there is no block behind {comment[0]}")
            position += length
        place = f"{name}:{text.count(chr(10), 0, comment.start()) + 1}"
        yield Step(kind=kind, argument=argument, text=inside.strip("\n") + "\n", place=place)
    refuse_blocks(text[position:], name)


def block_at(text: str) -> tuple[str, int]:
    """The indented block that the text begins with, and how far it reaches."""
    length, kept = 0, ""
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.startswith(BLOCK):
            break
        length += len(line)
        kept += line.removeprefix(BLOCK)
    return (kept, length) if kept.strip() else ("", 0)


def refuse_blocks(text: str, name: str) -> None:
    for line in text.splitlines():
        if line.startswith(BLOCK):
            raise NotAPage(f"{name}: no comment says what this block is: {line.strip()}")


def play(scenario: Scenario, cell: Cell, workshop: Workshop, serve: Callable[..., Site]) -> None:
    """Takes all steps of the scenario; an AssertionError says where the page is wrong."""
    root = workshop.new_root(cell)
    (root / "srv").mkdir()
    show = Performance(scenario=scenario, cell=cell, workshop=workshop, root=root, serve=serve)
    try:
        for step in scenario.steps:
            getattr(show, step.kind)(replace(step, text=show.local(step.text)))
        show.end()
    finally:
        show.stop()


@dataclass(kw_only=True)
class Performance:
    """A scenario under way. A method for each kind of step, named as the comment is."""

    scenario: Scenario
    cell: Cell
    workshop: Workshop
    root: Path
    serve: Callable[..., Site]
    config: str = STRICT
    site: Site | None = None
    has_refused: bool = False
    output: str = ""
    started: subprocess.Popen[str] | None = None
    second_port: int = field(default_factory=httpd.free_port)

    def local(self, text: str) -> str:
        """The text with the places of this test for those of the page."""
        user = httpd.unprivileged_user()
        text = re.sub(r"(?<![\w.])/srv\b", str(self.root / "srv"), text)
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.second_port}")
        if self.site:
            port = self.site.port
            text = re.sub(r"http://([\w:]+@)?localhost/", rf"http://\g<1>127.0.0.1:{port}/", text)
        return text.replace("www-data", user.pw_name) if user else without_owners(text)

    def path(self, step: Step) -> Path:
        found = Path(self.local(step.argument))
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    def file(self, step: Step) -> None:
        self.path(step).write_text(step.text)

    def append(self, step: Step) -> None:
        with self.path(step).open("a") as stream:
            stream.write(step.text)

    def run(self, step: Step) -> None:
        assert self.shell(step) == 0, f"{step.place}\n{step.text}\n{self.output}"

    def fails(self, step: Step) -> None:
        assert self.shell(step) != 0, f"{step.place}\n{step.text}\n{self.output}"

    def said(self, step: Step) -> None:
        place = 0
        for line in filter(None, map(str.strip, step.text.splitlines())):
            found = re.compile(pattern(line)).search(self.output, place)
            assert found, f"{step.place}: {line}\n{self.output}"
            place = found.end()

    def prints(self, step: Step) -> None:
        self.run(step)
        printed = self.output.replace("@", "@@").replace(":80>", ":@{port}>")
        self.config += printed

    def start(self, step: Step) -> None:
        """Starts a server of the command's own. end() stops it, as Ctrl-C does."""
        port = httpd.free_port()
        command = f"{self.with_verbs(step.text).strip()} --port {port}"
        self.started = subprocess.Popen(
            ["sh", "-c", f"exec env {command}"],
            env={**clean_environment(), "HOME": str(self.root)},
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.started.stdout
        self.second_port = port
        for line in self.started.stdout:
            self.output += line
            if line.startswith("Ctrl-C"):
                return
        raise AssertionError(f"{step.place}\n{self.output}")

    def shell(self, step: Step) -> int:
        """Runs commands, keeps what they say, and returns their status."""
        commands = self.with_verbs(self.with_server(step.text))
        done = subprocess.run(
            ["sh", "-eu"],
            input=self.with_environment(commands),
            env={**clean_environment(), "HOME": str(self.root)},
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        self.output = done.stdout
        return done.returncode

    def with_verbs(self, commands: str) -> str:
        """The commands with this checkout's mod_wsgi, which is told about the cell."""
        server, python = self.cell.server, self.cell.python
        chosen = ["--apache", server.line, "--python", str(python.executable)]
        options: dict[str, list[str | Path]] = {
            "serve": [*chosen, "--mpm", server.mpm],
            "module-config": [*chosen],
        }

        def whole(found: re.Match[str]) -> str:
            words: list[str | Path] = [sys.executable, "-m", "command", found[1]]
            words += options.get(found[1], [])
            if found[1] == "doctor":
                conf = self.site_there().root / "httpd.conf"
                words += ["--httpd", server.httpd, conf]
            return f"PYTHONPATH={TOP} {shlex.join(map(str, words))}"

        return VERB.sub(whole, commands)

    def with_server(self, commands: str) -> str:
        """The commands with this test's server, which they need, in place of Debian's."""
        if "apache2ctl" not in commands:
            return commands
        root = self.site_there().root
        own = shlex.join(map(str, (self.cell.server.httpd, "-d", root, "-f", root / "httpd.conf")))
        return commands.replace("apache2ctl", own)

    def with_environment(self, commands: str) -> str:
        """The commands with a link to an environment that is there in place of making one."""
        made = ENVIRONMENT.search(commands)
        if not made:
            return commands
        kept = venvs.of(self.cell.python, self.workshop.folder, self.scenario.packages)
        link = f"mkdir -p $(dirname {made[1]})\nln -s {kept} {made[1]}"
        return INSTALLATION.sub("", ENVIRONMENT.sub(link, commands))

    def configuration(self, step: Step) -> None:
        assert not self.site, f"{step.place}: the server runs already: begin a <!-- site: NAME -->"
        self.config += step.text.replace("@", "@@")

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Asks the server that the command has started, or that of the configuration."""
        if self.started:
            url = f"http://127.0.0.1:{self.second_port}{path}"
            return requests.request(method, url, timeout=TIMEOUT, **options)
        site = self.site_there()
        site.tolerates("File does not exist")  # what servers before 2.4 say to a 404 of their own
        return site.request(method, path, timeout=TIMEOUT, **options)

    def site_there(self) -> Site:
        if not self.site:
            self.site = self.started_site()
        return self.site

    def started_site(self) -> Site:
        modules = loading(self.cell, self.scenario.modules)
        config = modules + for_line(self.config, self.cell.server.line)
        own = self.scenario
        return self.serve(config, processes=own.processes, loaded=own.loaded)

    def end(self) -> None:
        """The server must start, also where the page asks nothing, or else have refused to."""
        if not self.has_refused and not self.started:
            self.site_there()

    def stop(self) -> None:
        """Ends what the command has started, as Ctrl-C does."""
        if self.started:
            self.started.send_signal(signal.SIGINT)
            self.started.communicate(timeout=60)
            assert self.started.returncode == 0

    def refused(self, step: Step) -> None:
        try:
            self.started_site()
        except Problem as problem:
            told = str(problem)
        else:
            raise AssertionError(f"{step.place}: the server starts")
        for line in filter(None, step.text.splitlines()):
            assert re.search(pattern(line.strip()), told), f"{step.place}: {line}\n{told}"
        self.has_refused = True

    def ask(self, step: Step) -> None:
        for line in filter(None, step.text.splitlines()):
            method, path, options, status, wanted = exchange(line)
            reply = self.request(method, path, **options)
            heads = "".join(f"{name}: {value}\n" for name, value in reply.headers.items())
            told = f"{heads}\n{reply.text}"
            assert (reply.status_code, wanted in told) == (status, True), (
                f"{step.place}: {line}\n{reply.status_code}\n{told[:3000]}"
            )

    def log(self, step: Step) -> None:
        for line in filter(None, step.text.splitlines()):
            self.site_there().expects(pattern(line.strip()))

    def perhaps(self, step: Step) -> None:
        self.site_there().tolerates(pattern(step.text.strip()))

    def traceback(self, step: Step) -> None:
        self.site_there().expects_traceback(pattern(step.text.splitlines()[-1].strip()))


def exchange(line: str) -> tuple[str, str, dict[str, Any], int, str]:
    """The parts of: [METHOD] /path [Header:value ...] [field=value ...] STATUS [text ...]."""
    found = ANSWER.fullmatch(line)
    assert found, f"no status in: {line}"
    words = shlex.split(found[1])
    method = words.pop(0) if not words[0].startswith("/") else "GET"
    path = words.pop(0)
    headers: dict[str, str] = {}
    data: Any = {}
    for word in words:
        name, mark, value = re.split("([:=])", word, maxsplit=1)
        if word.startswith("{"):
            data, headers["Content-Type"] = word, "application/json"
        elif mark == ":":
            headers[name] = value
        else:
            data[name] = value
    options = {"headers": headers, **({"data": data} if data else {})}
    return method, path, options, int(found[2]), found[3] or ""


def pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("..."))


def without_owners(commands: str) -> str:
    """The commands without those for root: the server runs as the one who tests."""
    return re.sub(r"^chown .*$", "", commands, flags=re.MULTILINE)


def clean_environment() -> dict[str, str]:
    steering = ("PYTHON", "VIRTUAL_ENV", "DJANGO_", "FLASK_")
    return {name: text for name, text in os.environ.items() if not name.startswith(steering)}


def for_line(config: str, line: str) -> str:
    """The configuration as a server before 2.4 has to be told: who may read a directory."""
    if line == "2.4":
        return config

    def older(found: re.Match[str]) -> str:
        order, word = ("allow,deny", "Allow") if found[2] == "granted" else ("deny,allow", "Deny")
        return f"{found[1]}Order {order}\n{found[1]}{word} from all"

    return GRANTED.sub(older, config)


def loading(cell: Cell, names: tuple[str, ...]) -> str:
    """LoadModule for those of the modules that this server has as files."""
    files = {name: cell.server.modules / f"mod_{name}.so" for name in names}
    there = {name: path for name, path in files.items() if path.is_file()}
    return "".join(f'LoadModule {name}_module "{path}"\n' for name, path in there.items())
