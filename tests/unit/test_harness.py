"""The harness is trusted with every other test: what it must notice, it notices."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.config import _prepareconfig

from command import TOP, httpd, pythons
from command.pythons import Python
from command.servers import Server
from tests.conftest import pytest_cmdline_main
from tests.harness import grid, limits
from tests.harness.cells import Cell, Cells, crowded, discover, rest
from tests.harness.errorlog import Watch, is_severe
from tests.harness.site import Config, message

SEVERE = [
    "[Sun Nov 22 20:37:30 2026] [error] [client 127.0.0.1] something",
    "[Sun Nov 22 20:37:30.123 2026] [wsgi:error] [pid 1:tid 2] [client 127.0.0.1:3] something",
    "[Sun Nov 22 20:37:30.123 2026] [core:crit] [pid 1] something",
    "[Sun Nov 22 20:37:30.1 2026] [core:notice] child pid 7 exit signal Segmentation fault (11)",
    "Fatal Python error: PyThreadState_Get: no current thread",
    "Traceback (most recent call last):",
    "==1==ERROR: AddressSanitizer: heap-use-after-free",
    "core/wsgi/input.c:10:5: runtime error: signed integer overflow",
]

PLAIN = [
    "[Sun Nov 22 20:37:30 2026] [notice] Apache/2.0.65 configured -- resuming normal operations",
    "[Sun Nov 22 20:37:30.123 2026] [wsgi:info] [pid 1:tid 2] the client went away",
    "[Sun Nov 22 20:37:30.123 2026] [core:warn] [pid 1] AH00098: pid file overwritten",
]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    made = Watch(folder=tmp_path)
    (tmp_path / "error.log").write_text("[error] of an earlier test\n")
    made.begin()
    return made


def log(watch: Watch, *lines: str) -> None:
    with (watch.folder / "error.log").open("a") as stream:
        stream.writelines(f"{line}\n" for line in lines)


@pytest.mark.parametrize("line", SEVERE)
def test_a_severe_line_is_noticed(watch: Watch, line: str) -> None:
    log(watch, line)
    assert line in watch.verdict()


@pytest.mark.parametrize("line", PLAIN)
def test_a_line_of_no_concern_is_passed_over(watch: Watch, line: str) -> None:
    assert not is_severe(line)
    log(watch, line)
    assert watch.verdict() == ""


def test_an_earlier_tests_lines_are_not_this_tests(watch: Watch) -> None:
    assert watch.lines() == []


def test_a_line_that_was_announced_is_no_surprise(watch: Watch) -> None:
    watch.expected.append("some.hing")
    log(watch, SEVERE[0])
    assert watch.verdict() == ""


def test_an_announced_line_must_come(watch: Watch) -> None:
    watch.expected.append("never logged")
    assert "never logged" in watch.verdict()


def test_a_tolerated_line_need_not_come(watch: Watch) -> None:
    watch.tolerated.append("never logged")
    assert watch.verdict() == ""


def test_an_announced_traceback_ends_with_its_last_line(watch: Watch) -> None:
    watch.tracebacks.append("ValueError: announced")
    traceback = ["Traceback (most recent call last):", "  in f", "ValueError: announced"]
    log(watch, *(f"[error] {line}" for line in traceback), "[error] something else")
    assert watch.verdict() == "in the error log, but not announced: [error] something else"


def test_a_second_log_is_watched_too(watch: Watch) -> None:
    (watch.folder / "second_error.log").write_text("[error] in another virtual host\n")
    assert "in another virtual host" in watch.verdict()


def test_every_limit_has_its_reason() -> None:
    assert limits.reason(("apache2.4", "prefork", "py3.11"), "threads")
    assert limits.reason(("apache2.4", "worker", "py3.11"), "threads") is None


def test_a_limit_that_nobody_declared_is_an_error() -> None:
    with pytest.raises(AssertionError, match=r"limits\.py"):
        limits.reason(("apache2.4",), "nosuch")


def test_a_configuration_knows_all_its_names() -> None:
    assert Config('Alias /a "@{www}" # $1 a$').substitute(www="/w") == 'Alias /a "/w" # $1 a$'
    with pytest.raises(KeyError):
        Config("@{nosuch}").substitute({})


def test_a_message_with_a_body_says_its_length() -> None:
    assert b"\r\nContent-Length: 4\r\n" in message("/", "POST", body=b"four")


def cell(mpm: str, version: str) -> Cell:
    here = Path("/")
    return Cell(
        server=Server(
            line="2.4",
            version="2.4.0",
            mpm=mpm,
            apxs=here,
            httpd=here,
            modules=here,
            static=frozenset(),
        ),
        python=Python(
            version=version,
            release=f"{version}.0",
            abi="",
            executable=here,
            include=here,
            libdir=here,
            library="",
            libs=(),
            shared=True,
            stdlib=here,
            system_library=False,
        ),
    )


def test_a_run_says_when_every_python_of_it_has_a_crowd() -> None:
    """Modules that .pth files import hide what an interpreter of ours lacks."""
    plain = cell("event", "3.11")
    crowd = replace(plain, python=replace(plain.python, crowd=("threading",)))
    other = replace(crowd, python=replace(crowd.python, executable=Path("/other/python")))
    assert crowded((crowd, replace(other, python=replace(other.python, crowd=())))) is None
    said = crowded((crowd, other))
    assert said
    assert "NO PLAIN PYTHON" in said
    assert "/other/python: threading" in said


def test_of_two_pythons_of_a_version_the_one_without_a_crowd_is_tested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = cell("event", "3.11").python
    crowd = replace(plain, crowd=("threading",), executable=Path("/other/python"))
    monkeypatch.setattr("command.discovery.pythons.machine", lambda *_: iter((crowd, plain)))
    assert pythons.find() == [plain]
    assert pythons.find(["3.11"]) == [plain]


def record(results: grid.Results, cell: Cell, test: str, **outcomes: str) -> None:
    """What pytest reports of one test: an outcome for each of setup, call and teardown."""
    for when, outcome in outcomes.items():
        why = ("", 0, "Skipped: threads: it has none") if outcome == "skipped" else None
        results.pytest_runtest_logreport(
            pytest.TestReport(
                nodeid=f"{test}[{cell.name}]",
                location=("", 0, ""),
                keywords={},
                outcome=outcome,  # type: ignore[arg-type]
                longrepr=why,
                when=when,  # type: ignore[arg-type]
                user_properties=[("cell", cell.name)],
            )
        )


@pytest.fixture
def four_cells() -> Cells:
    every = tuple(
        cell(mpm, version) for mpm in ("prefork", "event") for version in ("2.7", "3.11")
    )
    return Cells(ready=every[:3], not_run={every[3].name: "it is closed"}, every=every)


def test_the_grid_counts_what_passed_failed_and_was_not_run(four_cells: Cells) -> None:
    results = grid.Results()
    first, second, *_ = four_cells.every
    record(results, first, "a", setup="passed", call="passed", teardown="passed")
    record(results, first, "b", setup="passed", call="passed", teardown="failed")
    record(results, first, "c", setup="skipped")
    record(results, second, "a", setup="failed")
    lines = grid.render(results, four_cells)
    assert lines[0].split() == ["|", "py2.7", "|", "py3.11"]
    assert "1 failed, 1 passed, 1 not run [1]" in lines[1]
    assert lines[1].rstrip().endswith("1 failed")
    assert "[1] threads: it has none" in lines


def test_a_test_that_passed_only_when_run_again_is_named(
    four_cells: Cells, tmp_path: Path
) -> None:
    results = grid.Results()
    first = four_cells.every[0]
    for test, outcome in (("a", "passed"), ("b", "failed")):
        record(results, first, test, setup="passed", call="rerun", teardown="passed")
        record(results, first, test, setup="passed", call=outcome, teardown="passed")
    record(results, first, "c", setup="passed", call="rerun")
    grid.write_json(tmp_path / "grid.json", results, four_cells)
    told = json.loads((tmp_path / "grid.json").read_text())["cells"][0]
    assert (told["passed"], told["failed"]) == (1, 1)
    assert told["passed_again"] == [f"a[{first.name}]"]


def test_the_grid_shows_what_was_not_tested(four_cells: Cells) -> None:
    lines = grid.render(grid.Results(), four_cells)
    assert "no test" in lines[1]
    assert "not run [1]" in lines[2]
    assert "[1] it is closed" in lines


def test_the_grid_can_be_read_by_a_program(four_cells: Cells, tmp_path: Path) -> None:
    results = grid.Results()
    record(results, four_cells.every[0], "a", setup="passed", call="passed", teardown="passed")
    grid.write_json(tmp_path / "grid.json", results, four_cells)
    told = json.loads((tmp_path / "grid.json").read_text())["cells"]
    assert [each["passed"] for each in told] == [1, 0, 0, 0]
    assert told[3]["reason"] == "it is closed"


@pytest.fixture
def a_machine(monkeypatch: pytest.MonkeyPatch, four_cells: Cells) -> None:
    """Of 2.4 and 2.2, each with two process models, and of two Pythons, the system's the older."""
    new = list(dict.fromkeys(each.server for each in four_cells.every))
    every = [*new, *(replace(each, line="2.2", apxs=Path("/old")) for each in new)]
    older, newer = dict.fromkeys(each.python for each in four_cells.every)
    known = {"/usr/bin/python3": older, str(older.executable): older}

    monkeypatch.setattr("command.access.fault", lambda _: None)
    monkeypatch.setattr("command.servers.choose_apxs", lambda: new[0].apxs)
    monkeypatch.setattr("command.servers.line_of", lambda apxs: "2.2" if apxs.name else "2.4")
    monkeypatch.setattr(
        "command.servers.find",
        lambda lines=(): [each for each in every if not lines or each.line in lines],
    )
    monkeypatch.setattr("command.pythons.choose", lambda want, **_: known[want])
    monkeypatch.setattr(
        "command.pythons.find",
        lambda wanted=(): [known[each] for each in wanted] or [older, newer],
    )


@pytest.mark.usefixtures("a_machine")
def test_a_machines_own_cells_are_its_newest_server_with_the_systems_python() -> None:
    own = discover([], [], [], choice="own")
    assert [each.name for each in own.ready] == [
        "apache2.4-prefork-py2.7",
        "apache2.4-event-py2.7",
        "apache2.4-event-py2.7-processes",
    ]
    assert own.every == own.ready


@pytest.mark.usefixtures("a_machine")
def test_a_cell_with_processes_is_chosen_by_its_mode() -> None:
    found = discover([], [], [], ["processes"], choice="own")
    assert [each.name for each in found.ready] == [
        "apache2.4-prefork-py2.7-processes",
        "apache2.4-event-py2.7-processes",
    ]
    assert all("processes" in each.traits for each in found.ready)


@pytest.mark.usefixtures("a_machine")
def test_a_cover_has_processes_once_on_each_line_under_its_most_modern_model() -> None:
    found = discover([], [], [], choice="cover")
    assert [each.name for each in found.ready if each.mode == "processes"] == [
        "apache2.4-event-py2.7-processes",
        "apache2.2-event-py2.7-processes",
    ]


@pytest.mark.usefixtures("a_machine")
def test_what_a_machine_has_and_a_run_leaves_out_is_named() -> None:
    own = discover([], [], [], choice="own")
    assert rest(own, slow=False, without_server=False) == (
        "apache2.2-prefork, apache2.2-event; py3.11; the slow tests; "
        "the tests that need no server (./dev check runs them)"
    )
    assert rest(discover([], [], [], choice="all"), slow=True, without_server=True) == ""


@pytest.mark.parametrize(
    ("words", "cells", "slow", "server_only", "workers"),
    [
        ([], "own", "none", True, 3 * (os.cpu_count() or 1)),
        (["--all"], "all", "once", False, 3 * (os.cpu_count() or 1)),
        (["--pdb"], "own", "none", True, None),
        (["-k", "mount"], "own", "none", False, 3 * (os.cpu_count() or 1)),
        (["--cells", "cover", "--slow", "none", "-n", "2"], "cover", "none", False, 2),
        (["--apache", "2.4", "tests/server"], "all", "once", False, None),
        (["tests/unit/test_harness.py"], "own", "none", False, None),
    ],
    ids=["nothing", "all", "a debugger", "a word", "as CI", "a server", "a file"],
)
def test_what_is_not_chosen_is_settled(
    words: list[str], cells: str, slow: str, server_only: bool, workers: int | None
) -> None:
    config = _prepareconfig(["--rootdir", str(TOP), "-c", str(TOP / "pyproject.toml"), *words])
    pytest_cmdline_main(config)
    options = config.option
    assert (options.cells, options.slow) == (cells, slow)
    assert (options.server_only, options.numprocesses) == (server_only, workers)


def test_a_free_port_is_none_that_the_system_gives_to_clients() -> None:
    """Another test's client had it once, between the choice and the server's start."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    if first < 12000:
        pytest.skip("the system gives nearly all ports to clients")
    chosen = {httpd.free_port() for _ in range(20)}
    assert len(chosen) > 15
    assert max(chosen) < first
