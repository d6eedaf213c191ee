"""The matrix's data file, the names of its cells, and the choice among them."""

import re
from pathlib import Path

import pytest

from command import TOP, Problem
from matrix import HERE, cells, data, shards
from matrix.cells import Cell

KNOWN = 'sha256 = "0000000000000000000000000000000000000000000000000000000000000000"'

SMALL = """
[limits]
memory = "1g"
processes = 100
seconds = 60

[managers.apt]
settings = "/etc/apt/apt.conf.d/90matrix"
install = "apt-get -y install {packages}"
missing = "Failed to fetch"

[managers.apk]
install = "apk add {packages}"
missing = "no such package"

[bases.old]
image = "debian:old"
manager = "apt"
debootstrap = true

[bases.new]
image = "debian:new"
manager = "apt"

[tools]
base = "new"
python = "3.11"
packages = ["python3.11"]

[signers.httpd]
keys = "https://upstream.example/KEYS"
fingerprints = ["0123456789ABCDEF0123456789ABCDEF01234567"]
sources = ["Debian"]

[apaches."1.3"]
version = "1.3.42"
archive = "apache_1.3.42.tar.gz"
url = "https://upstream.example/apache_1.3.42.tar.gz"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
base = "old"
mpms = ["prefork"]
configure = ["--prefix={prefix}"]

[apaches."2.2"]
version = "2.2.34"
archive = "httpd-2.2.34.tar.bz2"
url = "https://upstream.example/httpd-2.2.34.tar.bz2"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
base = "old"
mpms = ["prefork", "event"]
configure = ["--prefix={prefix}", "--with-mpm={mpm}"]

[packaged.debian]
line = "2.4"
bases = ["new"]
mpms = ["prefork"]
packages = ["apache2"]
apxs = "/usr/bin/apxs"

[pythons."2.7"]
base = "old"
executable = "/usr/bin/python2.7"

[pythons."3.14"]
base = "new"
executable = "/usr/bin/python3.14"

[pythons."3.14t"]
unavailable = "nobody packages it"

[[exclusions]]
cells = "apache2.2-event-*"
reason = "experimental"
"""

NAMES = [
    "apache1.3-prefork-py2.7",
    "apache1.3-prefork-py3.14",
    "apache1.3-prefork-py3.14t",
    "apache2.2-prefork-py2.7",
    "apache2.2-prefork-py3.14",
    "apache2.2-prefork-py3.14t",
    "apache2.2-event-py2.7",
    "apache2.2-event-py3.14",
    "apache2.2-event-py3.14t",
    "apache2.4-prefork-py3.14-new",
]


@pytest.fixture
def every() -> tuple[Cell, ...]:
    return cells.expand(data.parse(SMALL))


def chosen(every: tuple[Cell, ...], *patterns: str) -> list[str]:
    return [cell.name for cell in cells.select(every, patterns)]


def test_a_cell_is_named_after_server_model_python_and_suite(every: tuple[Cell, ...]) -> None:
    assert [cell.name for cell in every] == NAMES


def test_cells_may_be_there_a_second_time_with_processes() -> None:
    twice = cells.expand(data.parse('with_processes = ["*2.4*"]' + SMALL))
    assert [cell.name for cell in twice[:-1]] == NAMES
    assert twice[-1].name == "apache2.4-prefork-py3.14-processes-new"
    assert twice[-1].plain == "apache2.4-prefork-py3.14-processes"
    assert twice[-1].row == "apache2.4-prefork-processes-new"


def test_a_packaged_server_has_only_the_pythons_of_its_suite(every: tuple[Cell, ...]) -> None:
    assert [cell.python for cell in every if cell.suite] == ["3.14"]


def test_the_suite_is_no_part_of_what_the_tests_call_the_cell(every: tuple[Cell, ...]) -> None:
    assert every[-1].plain == "apache2.4-prefork-py3.14"


def test_an_excluded_cell_is_there_with_its_reason(every: tuple[Cell, ...]) -> None:
    excluded = {cell.name: cell.excluded for cell in every if cell.excluded}
    assert excluded == {name: "experimental" for name in NAMES if "event" in name}


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ([], NAMES),
        (["apache1.3-*"], NAMES[:3]),
        (["apache1.3-*", "!*-py2.7*"], NAMES[1:3]),
        (["!*-py2.7*", "apache1.3-*"], NAMES[1:3]),
        (["!apache2.2-*"], [*NAMES[:3], NAMES[-1]]),
        (["*-py3.14"], [NAMES[1], NAMES[4], NAMES[7]]),
        (["*-new", "apache1.3-prefork-py2.7"], [NAMES[0], NAMES[-1]]),
    ],
)
def test_patterns_choose_cells(
    every: tuple[Cell, ...], patterns: list[str], names: list[str]
) -> None:
    assert chosen(every, *patterns) == names


@pytest.mark.parametrize("patterns", [["apache3-*"], ["apache1.3-*", "!*-py9.9"]])
def test_a_pattern_that_matches_nothing_is_a_mistake(
    every: tuple[Cell, ...], patterns: list[str]
) -> None:
    with pytest.raises(Problem, match="no cell matches"):
        chosen(every, *patterns)


def test_a_choice_that_leaves_nothing_is_a_mistake(every: tuple[Cell, ...]) -> None:
    with pytest.raises(Problem, match="no cell is left"):
        chosen(every, "apache1.3-*", "!*")


def test_one_cell_of_each_line_runs_the_slow_tests(every: tuple[Cell, ...]) -> None:
    assert cells.one_of_each_line(every) == {NAMES[0], NAMES[4], NAMES[-1]}
    assert cells.one_of_each_line(every[:3]) == {NAMES[0]}


def test_the_cells_with_slow_tests_are_in_several_parts() -> None:
    known = data.load(HERE / "matrix.toml")
    running = [cell for cell in cells.expand(known) if not cell.excluded]
    slow = cells.one_of_each_line(running)
    parts = shards.split(known, [cell for cell in running if "arm64" not in cell.name], 4)
    assert all(1 <= sum(cell.name in slow for cell in part) <= 3 for part in parts)


def test_a_build_is_for_all_models_unless_its_options_name_one() -> None:
    apaches = data.parse(SMALL).apaches
    assert apaches["1.3"].one_build
    assert not apaches["2.2"].one_build


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('memory = "1g"', 'memory = "lots"', "limits.memory is not a size"),
        ("seconds = 60", 'seconds = "60"', "limits.seconds is not a number"),
        ("seconds = 60", "seconds = true", "limits.seconds is not a number"),
        ("seconds = 60", "", "limits.seconds is missing"),
        ("seconds = 60", "seconds = 60\ncpus = 2", "limits.cpus is unknown"),
        ('image = "debian:new"', "", "bases.new.image is missing"),
        ('base = "new"\npython', 'base = "newer"\npython', "tools.base is 'newer'"),
        ('bases = ["new"]', 'bases = ["neu"]', "'neu': there is no base"),
        ('mpms = ["prefork", "event"]', 'mpms = ["forking"]', "'forking' is none of"),
        ('version = "2.2.34"', 'version = "2.4.1"', "apaches.2.2.version is not 2.2.x"),
        ('[apaches."1.3"]', '[apaches."1.2"]', "'1.2' is not a line of Apache"),
        ('"httpd-2.2.34.tar.bz2"\nurl', '"../httpd.tar.bz2"\nurl', "a file's name, not a path"),
        (KNOWN, 'sha256 = "abc"', "sha256 is not a SHA-256"),
        (KNOWN, "", "1.3 must have either the sha256 of apache_1.3.42.tar.gz, or signers"),
        (KNOWN, f'{KNOWN}\nsigners = "httpd"', "1.3 must have either the sha256 of"),
        (KNOWN, 'signers = "http"', "1.3.signers: 'http' is none of those in [signers]: httpd"),
        ('"0123456789', '"123456789', "httpd.fingerprints: '123456789ABCDEF0123456789ABCDEF012"),
        ('keys = "https:', 'keys = "', "signers.httpd.keys is not an address like"),
        ('[pythons."2.7"]', "[pythons.two]", "'two' is not a version"),
        ('executable = "/usr/bin/python2.7"', "", "pythons.2.7.executable is missing"),
        (
            'packages = ["apache2"]',
            "packages = [2]",
            "packaged.debian.packages is not a list of strings",
        ),
        (
            'packages = ["apache2"]',
            "packages = []",
            "packaged.debian.packages is not a list of strings",
        ),
        ('reason = "experimental"', "", "exclusions[0].reason is missing"),
        ("[limits]", "[limits", "is not TOML"),
        ("seconds = 60", "seconds = 0", "limits.seconds must be 1 or more: 0"),
        ("processes = 100", "processes = -5", "limits.processes must be 1 or more: -5"),
        ('memory = "1g"', 'memory = "0g"', "limits.memory is not a size"),
        ("--with-mpm={mpm}", "--with-mpm={mpmx}", "2.2.configure: '--with-mpm={mpmx}' cannot be"),
        ("--with-mpm={mpm}", "--with-mpm={", "2.2.configure: '--with-mpm={' cannot be filled in"),
        ("--with-mpm={mpm}", "{}", "2.2.configure: '{}' cannot be filled in"),
        ("--with-mpm={mpm}", "{mpm.x}", "2.2.configure: '{mpm.x}' cannot be filled in"),
        ("--with-mpm={mpm}", "{mpm[x]}", "2.2.configure: '{mpm[x]}' cannot be filled in"),
        (
            '"https://upstream.example/a',
            '"upstream.example/a',
            "apaches.1.3.url is not an address",
        ),
        ('"https://upstream.example/a', '"https:/a', "apaches.1.3.url is not an address like"),
        ('"https://upstream.example/a', '"https://h:port/a', "apaches.1.3.url is not an address"),
        ('"https://upstream.example/a', '"https://h/an a', "apaches.1.3.url is not an address"),
        ('archive = "apache_1.3.42.tar.gz"', 'archive = ""', "a file's name, not a path: ''"),
        ('mpms = ["prefork", "event"]', 'mpms = ["event", "event"]', "has 'event' more than once"),
        (
            'bases = ["new"]',
            'bases = ["new", "new"]',
            "packaged.debian.bases has 'new' more than once",
        ),
        ("[bases.new]", '[bases."a/b"]', "bases.a/b: a base's name is part of an image's name"),
    ],
)
def test_a_mistake_in_the_data_is_named(old: str, new: str, complaint: str) -> None:
    assert old in SMALL
    with pytest.raises(Problem, match=re.escape(complaint)):
        data.parse(SMALL.replace(old, new, 1))


def test_a_fix_must_be_a_regular_expression() -> None:
    fix = '[[apaches."1.3".fixes]]\nwhy = "x"\nfiles = ["a"]\nfind = "("\nreplace = ""\n'
    with pytest.raises(Problem, match="not a regular expression"):
        data.parse(SMALL + fix)


@pytest.mark.parametrize(
    ("find", "replacement", "complaint"),
    [
        ("a", r"\9", "fixes[0].replace does not fit its find: invalid group reference 9"),
        ("a", r"\g<name>", "fixes[0].replace does not fit its find: unknown group name"),
        ("a", r"\q", "fixes[0].replace does not fit its find: bad escape"),
        ("a", "\u2192", "fixes[0].replace has a character that is not latin-1"),
    ],
)
def test_a_replacement_must_fit_its_fix(find: str, replacement: str, complaint: str) -> None:
    fix = '[[apaches."1.3".fixes]]\nwhy = "x"\nfiles = ["a"]\n'
    with pytest.raises(Problem, match=re.escape(complaint)):
        data.parse(f"{SMALL}{fix}find = '{find}'\nreplace = '{replacement}'\n")


@pytest.mark.parametrize("into", ["", "/etc", "../.."])
def test_a_part_goes_below_the_source(into: str) -> None:
    part = '[[apaches."1.3".parts]]\narchive = "a.tar"\nurl = "https://h/a.tar"\n'
    part += f"{KNOWN}\n"
    with pytest.raises(Problem, match=r"parts\[0\]\.into is not a folder of the source"):
        data.parse(f"{SMALL}{part}into = '{into}'\n")


def test_the_environment_of_a_build_is_of_strings() -> None:
    with pytest.raises(Problem, match=r"environment\.CC is not a string: \['gcc'\]"):
        data.parse(SMALL + '[apaches."1.3".environment]\nCC = ["gcc"]\n')


def test_a_data_file_that_is_not_utf8_is_a_problem_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "matrix.toml"
    path.write_bytes(b"# one\n# caf\xe9\n" + SMALL.encode())
    with pytest.raises(Problem, match=r"matrix\.toml is not UTF-8 in line 2"):
        data.load(path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("apache2.2-event-*", "apache2.2-evnt-*", "exclusions[0].cells matches no cell"),
        ("apache2.2-event-*", "*-processes", "exclusions[0].cells matches no cell"),
        ("[limits]", "with_processes = ['apache3*']\n[limits]", "with_processes matches no cell"),
    ],
)
def test_a_pattern_of_the_data_that_matches_nothing_is_a_mistake(
    old: str, new: str, complaint: str
) -> None:
    with pytest.raises(Problem, match=re.escape(complaint)):
        cells.expand(data.parse(SMALL.replace(old, new, 1)))


def test_cells_with_processes_may_be_excluded_alone() -> None:
    text = 'with_processes = ["*2.4*"]' + SMALL.replace("apache2.2-event-*", "*-processes-*")
    excluded = [cell.name for cell in cells.expand(data.parse(text)) if cell.excluded]
    assert excluded == ["apache2.4-prefork-py3.14-processes-new"]


def test_a_data_file_that_is_not_there_is_a_problem_and_no_traceback() -> None:
    with pytest.raises(Problem, match="cannot read"):
        data.load(HERE / "nosuch.toml")


BUILT = """
[pythons."3.13t"]
version = "3.13.5"
archive = "Python-3.13.5.tar.xz"
url = "https://upstream.example/Python-3.13.5.tar.xz"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
base = "new"
executable = "/opt/python/bin/python3.13t"
configure = ["--disable-gil"]
"""


def test_a_python_may_be_built_from_an_archive() -> None:
    source = data.parse(SMALL + BUILT).pythons["3.13t"].source
    assert source is not None
    assert (source.version, source.archive.sha256) == ("3.13.5", "0" * 64)
    assert source.configure == ("--disable-gil",)


def test_a_built_python_is_not_beside_the_packaged_server_of_its_base() -> None:
    names = [cell.name for cell in cells.expand(data.parse(SMALL + BUILT)) if "3.13t" in cell.name]
    assert "apache2.2-prefork-py3.13t" in names
    assert "apache2.4-prefork-py3.13t-new" not in names


def test_a_built_python_is_of_the_version_that_its_name_says() -> None:
    with pytest.raises(Problem, match=r"3\.13t\.version is not 3\.13\.x: '3\.14\.0'"):
        data.parse(SMALL + BUILT.replace('"3.13.5"', '"3.14.0"'))


def test_a_built_python_needs_its_options() -> None:
    with pytest.raises(Problem, match=r"3\.13t\.configure is missing"):
        data.parse(SMALL + BUILT.replace("configure", "packages"))


def test_a_signer_is_found_by_name() -> None:
    archive = data.parse(SMALL.replace(KNOWN, 'signers = "httpd"', 1)).apaches["1.3"].archive
    assert archive.sha256 is None
    assert archive.signers
    assert archive.signers.fingerprints == ("0123456789ABCDEF0123456789ABCDEF01234567",)


def test_two_public_trees_stand_behind_each_archive_of_the_projects_own_data() -> None:
    archives = data.load(HERE / "matrix.toml").archives()
    assert len(archives) > 6
    for each in archives:
        trusted = each.signers.sources if each.signers else each.sources
        assert len(trusted) >= 2, each.name


def test_the_projects_own_data_is_valid_and_names_what_the_project_supports() -> None:
    every = cells.expand(data.load(HERE / "matrix.toml"))
    assert {cell.line for cell in every} == {"1.3", "2.0", "2.2", "2.4"}
    wanted = {"2.7", "3.9", "3.11", "3.13", "3.13t", "3.14", "3.14t", "3.15"}
    assert wanted <= {cell.python for cell in every}
    assert len({cell.name for cell in every}) == len(every)
    assert "apache2.4-event-py3.14t" in {cell.name for cell in every}
    assert "apache2.4-prefork-py3.11-bookworm" in {cell.name for cell in every}


def test_every_key_of_the_data_file_is_explained() -> None:
    taken = r'\.(?:take|maybe|number|words|set|tables|named)\("(\w+)"'
    keys = set(re.findall(taken, (TOP / "matrix" / "data.py").read_text()))
    explained = set(re.findall(r"`\[*(\w+)", (TOP / "docs" / "matrix.md").read_text()))
    assert {"archive", "sha256", "packages", "fixes", "pythons"} <= keys
    assert keys <= explained
