"""Parts of the matrix for several machines, and what else chooses cells."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from command import Problem
from matrix import HERE, __main__, arguments, cells, choice, data, shards
from matrix.described import Time

KNOWN = data.load(HERE / "matrix.toml")
EVERY = cells.expand(KNOWN)
CHOOSERS = "list, images, build, test and run"


def total(part: list[cells.Cell]) -> int:
    return sum(shards.seconds(KNOWN, cell) for cell in part)


@pytest.mark.parametrize("number", [1, 2, 3, 6, 20])
def test_parts_have_every_cell_once_and_take_about_the_same_time(number: int) -> None:
    parts = shards.split(KNOWN, EVERY, number)
    assert len(parts) == number
    names = [cell.name for part in parts for cell in part]
    assert sorted(names) == sorted(cell.name for cell in EVERY)
    longest = max(shards.seconds(KNOWN, cell) for cell in EVERY)
    own = [part for part in parts if not shards.architecture(KNOWN, part)]
    share = sum(map(total, own)) / len(own)
    assert all(abs(total(part) - share) <= 2 * longest for part in own)


def test_cells_of_one_python_are_neighbours() -> None:
    parts = shards.split(KNOWN, EVERY, 6)
    images = [{cell.python for cell in part if not cell.excluded} for part in parts]
    assert sum(map(len, images)) <= len(KNOWN.pythons) + 5


def test_a_long_cell_has_a_part_of_its_own() -> None:
    known = replace(KNOWN, times=(Time(cells="*-py2.7", seconds=5000),))
    few = [cell for cell in EVERY if cell.line == "1.3" and cell.mode == "embedded"]
    assert [len(part) for part in shards.split(known, few, 2)] == [1, len(few) - 1]


def test_no_part_is_empty() -> None:
    assert [len(part) for part in shards.split(KNOWN, EVERY[:3], 3)] == [1, 1, 1]
    with pytest.raises(Problem, match="3 cells can't be so many parts"):
        shards.part(KNOWN, EVERY[:3], shards.Shard(number=2, of=4))


def test_another_architecture_has_a_part_of_its_own() -> None:
    parts = shards.split(KNOWN, EVERY, 6)
    assert [shards.architecture(KNOWN, part) for part in parts] == ["", "", "", "", "", "arm64"]
    few = [cell for cell in EVERY if "-bookworm" in cell.name]
    assert shards.worthwhile(KNOWN, few, 1) == 2
    assert [shards.architecture(KNOWN, part) for part in shards.split(KNOWN, few, 1)] == [""]
    only = [cell for cell in few if cell.name.endswith("-arm64")]
    assert [shards.architecture(KNOWN, part) for part in shards.split(KNOWN, only, 2)] == [
        "arm64",
        "arm64",
    ]


def test_a_machine_is_not_used_for_a_minute() -> None:
    assert shards.worthwhile(KNOWN, EVERY, 6) == 6
    assert shards.worthwhile(KNOWN, EVERY[:2], 6) == 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "a/b"])
def test_what_is_no_part_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["list", "--shard", text])
    assert "is not a part like 2/6" in capsys.readouterr().err


def test_the_parts_that_are_listed_are_those_that_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    assert __main__.main(["list", "apache2.0-*", "--shards", "3"]) == 0
    parts = json.loads(capsys.readouterr().out)
    assert [part["shard"] for part in parts] == ["1/3", "2/3", "3/3"]
    for part in parts:
        assert __main__.main(["list", "apache2.0-*", "--shard", part["shard"], "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [cell["name"] for cell in told] == part["cells"]
        assert sum(cell["seconds"] for cell in told) == part["seconds"]


def test_what_is_known_of_a_cell_is_listed_for_programs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    words = ["list", "apache1.3-*-py2.7-processes", "apache2.2-event-py2.7", "--json"]
    assert __main__.main([*words, "--output", str(tmp_path)]) == 0
    excluded, one = json.loads(capsys.readouterr().out)
    assert (excluded["state"], excluded["seconds"]) == ("cannot run", 0)
    assert one["name"] == "apache1.3-prefork-py2.7-processes"
    assert (one["line"], one["mpm"], one["python"]) == ("1.3", "prefork", "2.7")
    assert (one["mode"], one["base"], one["packaged"]) == ("processes", "bullseye", False)
    assert one["version"] == KNOWN.apaches["1.3"].version
    assert "Docker" in one["why"]
    assert one["seconds_of_last_run"] is None


def chosen(*words: str) -> list[str]:
    read = arguments.read(__main__.VERBS, None, ["run", *words])
    return [cell.name for cell in choice.choose(read, KNOWN, EVERY).cells]


def test_one_word_may_have_several_patterns() -> None:
    assert chosen("apache1.3-* !*-py2.7*") == chosen("apache1.3-*", "!*-py2.7*")


def test_an_empty_since_chooses_nothing() -> None:
    """So a variable of a shell can hold the commit, or be empty."""
    assert chosen("--since", "") == chosen()


def test_only_takes_one_cell_even_if_it_is_excluded() -> None:
    assert chosen("--only", "apache2.2-event-py3.11") == ["apache2.2-event-py3.11"]
    read = arguments.read(__main__.VERBS, None, ["run", "--only", "apache2.2-event-py3.11"])
    assert choice.choose(read, KNOWN, EVERY).cells[0].excluded is None


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--only", "apache2.4-*"], "no cell has this name"),
        (["--only", "apache2.4-event-py3.11", "apache1.3-*"], "--only names one cell"),
    ],
)
def test_only_takes_a_whole_name_and_nothing_else(words: list[str], complaint: str) -> None:
    with pytest.raises(Problem, match=complaint):
        chosen(*words)


def test_slow_tests_run_in_one_part_only() -> None:
    """The first cell of a line and mode is meant, not the first of each part."""
    parts = [arguments.read(__main__.VERBS, None, ["run", "--shard", f"{n}/3"]) for n in (1, 2, 3)]
    wholes = {choice.choose(each, KNOWN, EVERY).whole for each in parts}
    assert wholes == {EVERY}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["run", "--json"], "--json is for list, not for run"),
        (["list", "--plan", "x"], "--plan is for merge, not for list"),
        (["build", "--reruns", "1"], "--reruns is for test and run, not for build"),
        (
            ["list", "--summary", "x"],
            "--summary is for build, test, run, report and merge, not for list",
        ),
    ],
)
def test_an_option_that_the_verb_does_not_look_at_is_refused(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(words) == 2
    assert capsys.readouterr().err == f"matrix: {complaint}\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        *(
            ([verb, option, value], f"{option} is for {CHOOSERS}, not for {verb}")
            for verb in ("report", "merge", "bases", "shell", "patch", "clean")
            for option, value in (("--shard", "1/3"), ("--since", "main"), ("--only", "x"))
        ),
        (["merge", "--local"], "--local is for list, build, test and run, not for merge"),
        (["list", "--keep-going"], "--keep-going is for build, test and run, not for list"),
        (
            ["report", "--allow-unavailable", "*"],
            "--allow-unavailable is for build, test and run, not for report",
        ),
        (
            ["report", "--sources", "x"],
            "--sources is for list, bases, images, shell, build, test and run, not for report",
        ),
        (["report", "*-py2.7"], "report takes no PATTERN: it shows the whole last run"),
        (["archives", "*"], "archives takes no PATTERN: it lists every archive of the data file"),
        (["clean", "*-py2.7"], "clean takes no PATTERN: it removes what all cells have left"),
    ],
)
def test_what_chooses_cells_is_refused_where_it_would_choose_none(
    words: list[str], complaint: str
) -> None:
    """The words are only read: a clean that took them would remove everything."""
    with pytest.raises(Problem) as told:
        arguments.read(__main__.VERBS, None, words)
    assert str(told.value) == complaint


def test_what_follows_two_dashes_is_for_pytest() -> None:
    words = ["run", "apache1.3-*", "--reruns", "2", "--", "-k", "upload", "-x"]
    read = arguments.read(__main__.VERBS, None, words)
    assert read.patterns == ["apache1.3-*"]
    assert read.pytest == ["-k", "upload", "-x"]
    assert arguments.words_for_pytest(read) == ["--reruns", "2", "-k", "upload", "-x"]
    with pytest.raises(Problem, match="list runs no test"):
        arguments.read(__main__.VERBS, None, ["list", "--", "-x"])
