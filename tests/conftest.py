"""What every test can use: the cells to test, servers that run them, and the grid at the end.

A test that takes `site` asks a server shared by its module: the module's own CONFIG (with FILES
under its document root and OPTIONS for the server), or the default one with every application of
tests/apps. A test that takes `serve` starts servers of its own.
"""

import argparse
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from command import TOP, Problem
from tests.harness import accounts, grid, limits
from tests.harness import cells as cells_of_machine
from tests.harness.cells import Cell, Cells
from tests.harness.config import DEFAULT
from tests.harness.serving import Workshop, running
from tests.harness.site import Site

Serve = Callable[..., Site]

UNIT = TOP / "tests" / "unit"

CELLS = pytest.StashKey[Cells]()
RESULTS = pytest.StashKey[grid.Results]()
SITES = pytest.StashKey[list[Site]]()
BROKEN = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser.getgroup("mod_wsgi", "which cells to test").addoption)


def add_options(add: Callable[..., object]) -> None:
    """Tells a parser, of pytest or of argparse, what ./dev test knows beside pytest's options."""
    add(
        "--mode",
        action="append",
        default=[],
        choices=cells_of_machine.MODES,
        help="embedded: applications run in the server's processes; processes: in processes of "
        "their own; may be repeated",
    )
    for option, placeholder, meaning in (
        ("--apache", "LINE", "1.3, 2.0, 2.2 or 2.4; may be repeated"),
        ("--python", "X.Y", "a version or a program; may be repeated"),
        ("--mpm", "NAME", "prefork, worker or event; may be repeated"),
    ):
        add(option, action="append", default=[], metavar=placeholder, help=meaning)
    add(
        "--slow",
        choices=("once", "all", "none"),
        help="slow tests: once for each line of Apache and mode, in every cell, or not at all "
        "(default: not at all with --cells own, else once)",
    )
    add(
        "--cells",
        choices=cells_of_machine.CHOICES,
        help="own: the newest Apache with the system's Python, under each process model, and with "
        "processes under the most modern one (the default where no option above chooses a cell); "
        "all: every cell that the options above allow (the default where one does); cover: "
        "a few cells that have every Apache and every Python between them",
    )
    add(
        "--server-only",
        action="store_true",
        help="leave out the tests that need no server (the default where nothing is chosen)",
    )
    add("--all", dest="cells", action="store_const", const="all", help="the same as --cells all")
    add(
        "--profile",
        default="release",
        metavar="NAME",
        help="the scons profile of what is tested: asan finds memory errors in the bare host of "
        "tests/unit, old has the servers' module without what old systems lack",
    )
    add("--grid-json", type=Path, metavar="PATH", help="write the grid as JSON, too")


def print_help() -> None:
    """Our own options; among the hundreds of lines of pytest's they would not be found."""
    parser = argparse.ArgumentParser(
        prog="./dev test",
        usage="./dev test [OPTION...] [FILE...]",
        description="Runs the tests. A cell is one Apache with one process model and one "
        "Python. Each test that needs a server runs in every cell that is chosen.",
        epilog="All other arguments go to pytest: -k WORDS chooses tests by their names, -x stops "
        "at the first failure, -n 4 runs four at a time. pytest's own page has the rest: "
        "https://docs.pytest.org/en/stable/reference/reference.html",
    )
    add_options(parser.add_argument)
    parser.print_help()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Settles what was not chosen: cells, kinds of tests, and three workers for each processor.

    Three, since many tests wait for something to end: a server, or a bound of ours. Where files
    were named, one process runs them, as whoever looks at a test wants it.
    """
    options = config.option
    if options.help:
        print_help()
        return 0
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if options.cells is None:
        chosen = any((options.apache, options.python, options.mpm, options.mode))
        options.cells = "all" if chosen else "own"
    if options.slow is None:
        options.slow = "none" if options.cells == "own" else "once"
    if whole and not options.keyword and options.cells == "own":
        options.server_only = True
    whole = whole and not options.usepdb and not hasattr(config, "workerinput")
    if whole and getattr(options, "numprocesses", 0) is None:
        options.numprocesses = 3 * (os.cpu_count() or 1)
    return None


def pytest_configure(config: pytest.Config) -> None:
    # Whatever the tests make is for a server to read that is somebody else.
    os.umask(0o022)
    for marker in (
        "server: asks a real server; the others need none",
        "slow: takes long; run as --slow says",
        "any_python: says the same with every Python; with --cells cover only one of a row has it",
        "pythons(pattern, ...): asks something that is made for these Pythons only, as 2.7 or 3.*",
        "needs(capability): not run where tests/harness/limits.py says that it is missing",
    ):
        config.addinivalue_line("markers", marker)
    config.stash[BROKEN] = set()
    config.stash[RESULTS] = grid.Results()
    config.pluginmanager.register(config.stash[RESULTS], "mod_wsgi-grid")


def cells_for(config: pytest.Config) -> Cells:
    """The cells to test; found once, since every Python has to be asked."""
    if CELLS not in config.stash:
        given = getattr(config, "workerinput", {}).get("cells")
        found = discover(config) if given is None else pickle.loads(given)  # noqa: S301  ours
        config.stash[CELLS] = found
    return config.stash[CELLS]


def discover(config: pytest.Config) -> Cells:
    """The cells that the options choose. Options that choose none are an error."""
    asked = [config.getoption(name) for name in ("apache", "python", "mpm", "mode")]
    try:
        found = cells_of_machine.discover(*asked, choice=config.getoption("cells"))
    except Problem as problem:
        raise pytest.UsageError(str(problem)) from problem
    if any(asked) and not found.ready:
        raise pytest.UsageError(nothing_to_test(found))
    return found


def nothing_to_test(found: Cells) -> str:
    reasons = (f"{name}: {why}" for name, why in found.not_run.items())
    return "\n".join(("no Apache with a Python to test was found", *reasons))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Gives the cells to a worker of pytest-xdist, which need not ask every Python again."""
    node.workerinput["cells"] = pickle.dumps(cells_for(node.config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test that asks a server runs once in every cell; without any cell that is an error."""
    if "cell" not in metafunc.fixturenames:
        return
    found = cells_for(metafunc.config)
    if not found.ready:
        raise pytest.UsageError(nothing_to_test(found))
    metafunc.parametrize(
        "cell", found.ready, indirect=True, scope="session", ids=lambda cell: cell.name
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only tests of servers are wanted, the others' files are not even read."""
    return True if config.getoption("server_only") and collection_path == UNIT else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tells each test its cell, and leaves out slow tests where they have run already."""
    for item in items:
        cell = cell_of(item)
        if cell is not None:
            item.add_marker("server")
            item.user_properties.append(("cell", cell.name))
    kept, dropped = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        (kept if is_wanted(item, config) else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def cell_of(item: pytest.Item) -> Cell | None:
    parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    return parameters.get("cell")


def is_wanted(item: pytest.Item, config: pytest.Config) -> bool:
    """Whether a test is to run in this cell.

    Not where it is for other Pythons; a slow one with "once" only in the first cell of its line
    and mode that has such a Python. Those that need no server are left to ./dev check where
    nothing was chosen.
    """
    cell, how = cell_of(item), config.getoption("slow")
    if cell is None and config.getoption("server_only"):
        return False
    slow = item.get_closest_marker("slow") is not None
    if cell is not None and not (suits(item, cell) and is_chosen(item, cell, config)):
        return False
    if not slow or how == "all":
        return True
    if how == "none" or cell is None:
        return False
    ready = [each for each in cells_for(config).ready if suits(item, each)]
    alike = [each for each in ready if each.mode == cell.mode]
    return cell is next(each for each in alike if each.server.line == cell.server.line)


def is_chosen(item: pytest.Item, cell: Cell, config: pytest.Config) -> bool:
    """Where time is short: whether a test that says the same with every Python is for this one.

    It is for the newest of those that it is tested with under the same server.
    """
    if config.getoption("cells") != "cover" or not item.get_closest_marker("any_python"):
        return True
    alike = [each for each in cells_for(config).ready if each.row == cell.row]
    return cell is [each for each in alike if suits(item, each)][-1]


def suits(item: pytest.Item, cell: Cell) -> bool:
    """Whether the test may run with the Python of this cell: with any, unless it is marked."""
    version = cell.python.version + cell.python.abi
    markers = item.iter_markers("pythons")
    return all(any(fnmatchcase(version, each) for each in marker.args) for marker in markers)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a cell cannot do is not run there, for the reason that harness/limits.py gives."""
    cell = cell_of(item)
    if cell is not None and cell.name in item.config.stash[BROKEN]:
        pytest.fail(f"{cell.name} did not build: its first failed test shows why", pytrace=False)
    for marker in item.iter_markers("needs"):
        assert cell is not None, "only a test of a cell can need what servers differ in"
        for capability in marker.args:
            why = limits.reason(cell.traits, capability)
            if why:
                pytest.skip(f"{capability}: {why}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the error log of a failed test with its report."""
    report = yield
    if report.failed:
        for site in item.stash.get(SITES, []):
            told = "\n".join(site.watch.lines()[-60:])
            report.sections.append(("the error log since the test began", told))
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    results = config.stash[RESULTS]
    if not results.outcomes:
        return
    found = cells_for(config)
    terminalreporter.section("Apache x Python")
    for line in grid.render(results, found):
        terminalreporter.write_line(line)
    warning = cells_of_machine.crowded(found.ready)
    if warning:
        terminalreporter.write_line(warning, red=True, bold=True)
    rest = cells_of_machine.rest(
        found,
        slow=config.getoption("slow") != "none",
        without_server=not config.getoption("server_only"),
    )
    if config.getoption("cells") == "own" and rest:
        terminalreporter.write_line(f"not run: {rest} (./dev test --all runs everything)")
    if config.getoption("cells") == "cover":
        terminalreporter.write_line(
            "not run: tests that say the same with every Python, but for one Python of each row"
        )
    target = config.getoption("grid_json")
    if target:
        grid.write_json(target, results, found)


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    """A folder for everything that a server reads, open to the user that Apache changes to.

    The checkout itself may be in somebody's private home.
    """
    folder = Path(tempfile.mkdtemp(prefix="mod_wsgi-tests-"))
    try:
        yield Workshop.furnish(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cell(request: pytest.FixtureRequest) -> Cell:
    """The combination of Apache and Python that this test runs in."""
    chosen: Cell = request.param
    return chosen


@pytest.fixture(scope="session")
def module(request: pytest.FixtureRequest, cell: Cell, workshop: Workshop) -> Path:
    """The cell's mod_wsgi.so; a build that fails fails every test of the cell."""
    folder = workshop.folder / cell.name
    folder.mkdir(exist_ok=True)
    try:
        return cells_of_machine.build(cell, folder)
    except Problem as failure:
        request.config.stash[BROKEN].add(cell.name)
        pytest.fail(f"the module of {cell.name} did not build:\n{failure}", pytrace=False)


@pytest.fixture(scope="session")
def version(cell: Cell) -> str:
    """The Python's version as it stands in paths and messages: 3.11, or 3.13t."""
    return cell.python.version + cell.python.abi


@pytest.fixture(scope="session")
def customers() -> Iterator[None]:
    """Alice and mallory have accounts, so that processes can become them."""
    with accounts.customers():
        yield


@pytest.fixture(scope="session")
def default_site(cell: Cell, module: Path, workshop: Workshop) -> Iterator[Site]:
    with running(cell, module, workshop, DEFAULT) as started:
        yield started


@pytest.fixture(scope="module")
def module_site(request: pytest.FixtureRequest, cell: Cell, workshop: Workshop) -> Iterator[Site]:
    """The server that the tests of a module share."""
    config = getattr(request.module, "CONFIG", None)
    if config is None:
        yield request.getfixturevalue("default_site")
        return
    files = getattr(request.module, "FILES", {})
    options = getattr(request.module, "OPTIONS", {})
    built = request.getfixturevalue("module")
    with running(cell, built, workshop, config, files=files, **options) as started:
        yield started


@pytest.fixture
def site(request: pytest.FixtureRequest, module_site: Site) -> Iterator[Site]:
    """The shared server, whose error log is read when the test is over."""
    request.node.stash[SITES] = [module_site]
    module_site.watch.begin()
    yield module_site
    fail_if_told(module_site)


@pytest.fixture
def serve(
    request: pytest.FixtureRequest, cell: Cell, module: Path, workshop: Workshop
) -> Iterator[Serve]:
    """Starts servers for this test alone: serve(config, files=..., processes=..., ...).

    With loaded=False the server does not have our module.
    """
    sites: list[Site] = request.node.stash.setdefault(SITES, [])
    with ExitStack() as stack:

        def start(config: str = DEFAULT, *, loaded: bool = True, **options: Any) -> Site:
            ours = module if loaded else None
            started = stack.enter_context(running(cell, ours, workshop, config, **options))
            started.watch.begin()
            sites.append(started)
            return started

        yield start
    for started in sites:
        fail_if_told(started)


def fail_if_told(site: Site) -> None:
    verdict = site.watch.verdict()
    if verdict:
        pytest.fail(verdict, pytrace=False)
