"""mount.c: where a URL divides into SCRIPT_NAME and PATH_INFO. Pure strings, one table."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.conftest import Bare


class Case(NamedTuple):
    """What a server tells of a request, and how its path is to be divided."""

    told: dict[str, str]
    script_name: str
    path_info: str


def location(path: str, uri: str, script_name: str, path_info: str) -> Case:
    return Case({"location": path, "uri": uri}, script_name, path_info)


def directory(filename: str, behind: str, uri: str, script_name: str, path_info: str) -> Case:
    """A section on /srv/app; behind is the server's own path_info."""
    told = {"section": "/srv/app", "filename": filename, "path-info": behind, "uri": uri}
    return Case(told, script_name, path_info)


def told_by_setting(name: str, uri: str, script_name: str, path_info: str) -> Case:
    told = {"location": "/elsewhere", "env": f"mod_wsgi.script_name={name}", "uri": uri}
    return Case(told, script_name, path_info)


CASES = [
    location("/", "/", "", "/"),
    location("/", "/a", "", "/a"),
    location("/", "//a", "", "//a"),
    location("/x", "/x", "/x", ""),
    location("/x", "/x/", "/x", "/"),
    location("/x", "/x/a", "/x", "/a"),
    location("/x", "/x//a", "/x", "//a"),
    location("/x", "//x/a", "//x", "/a"),
    location("/x", "/x///", "/x", "///"),
    location("/x/", "/x/a", "/x", "/a"),
    location("/x/", "/x/", "/x", "/"),
    location("/x/y", "/x/y", "/x/y", ""),
    location("/x/y", "/x//y/z", "/x//y", "/z"),
    location("/x/y/", "/x/y/z", "/x/y", "/z"),
    location("/a b", "/a b/c d", "/a b", "/c d"),
    location("/caf\xe9", "/caf\xe9/\xe9", "/caf\xc3\xa9", "/\xc3\xa9"),
    directory("/srv/app", "", "/app", "/app", ""),
    directory("/srv/app/", "", "/app/", "/app", "/"),
    directory("/srv/app/a", "", "/app/a", "/app", "/a"),
    directory("/srv/app/a", "/b", "/app/a/b", "/app", "/a/b"),
    directory("/srv/app/a", "/b/", "/app/a/b/", "/app", "/a/b/"),
    directory("/srv/app/a", "/b", "/alias/deep/a/b", "/alias/deep", "/a/b"),
    directory("/srv/app/a", "/b", "/a/b", "", "/a/b"),
    directory("/srv/app/a", "/b", "/app//a//b", "/app", "//a//b"),
    directory("/srv/app/a", "//b", "/app/a//b", "/app", "/a//b"),
    directory("/srv/app/", "", "/", "", "/"),
    told_by_setting("/x", "/x/a", "/x", "/a"),
    told_by_setting("/x/", "/x/a", "/x", "/a"),
    told_by_setting("/x", "/x", "/x", ""),
    told_by_setting("/", "/x/a", "", "/x/a"),
    told_by_setting("/x/y", "/x/y/z", "/x/y", "/z"),
    Case({"uri": "/nothing/is/known"}, "", "/nothing/is/known"),
]


def ask(bare: Bare, told: dict[str, str]) -> tuple[str, str]:
    arguments = [word for name, text in told.items() for word in (f"--{name}", text)]
    seen = bare(*arguments, "environs::mount").json()
    return seen["SCRIPT_NAME"], seen["PATH_INFO"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case.told.values()))
def test_a_path_divides(bare: Bare, case: Case) -> None:
    script_name, path_info = ask(bare, case.told)
    assert (script_name, path_info) == (case.script_name, case.path_info)
    assert script_name + path_info == case.told["uri"].encode().decode("latin-1")


@pytest.mark.parametrize(
    ("uri", "behind", "script_name"),
    [
        ("/scripts/show.wsgi", "", "/scripts/show.wsgi"),
        ("/scripts/show.wsgi/", "/", "/scripts/show.wsgi"),
        ("/scripts/show.wsgi/a/b", "/a/b", "/scripts/show.wsgi"),
        ("/scripts/show.wsgi/a//b", "/a//b", "/scripts/show.wsgi"),
        ("/negotiated/a", "/a", "/negotiated"),
        ("//show.wsgi/a", "/a", "//show.wsgi"),
    ],
)
def test_a_file_is_its_own_mount(
    bare: Bare, tmp_path: Path, uri: str, behind: str, script_name: str
) -> None:
    """The rule of CGI: SCRIPT_NAME leads to the file, PATH_INFO is what stands behind it."""
    script = tmp_path / "show.wsgi"
    script.write_text("from environs import mount as application\n")
    outcome = bare(
        *("--filename", str(script), "--is-file", "--path-info", behind, "--uri", uri),
    )
    seen = outcome.json()
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == (script_name, behind)


@pytest.mark.parametrize("uri", ["/", "/y", "/xx", "/x.html", "/X"])
def test_a_script_name_that_is_not_in_front_of_the_path_is_an_error(bare: Bare, uri: str) -> None:
    outcome = bare("--env", "mod_wsgi.script_name=/x", "--uri", uri, "environs::mount")
    assert outcome.status == "500 (error page)"
    assert "mod_wsgi.script_name" in outcome.errors[0]
    assert "/x" in outcome.errors[0]
