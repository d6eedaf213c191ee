"""What the command mod_wsgi says without a server."""

from pathlib import Path

import pytest

from command.__main__ import main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text("application = None\n")
    (tmp_path / "static").mkdir()
    return path


def test_without_a_verb_it_says_what_it_can(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "module-config" in capsys.readouterr().out


def test_an_unknown_verb_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sevre"]) == 2
    assert "unknown verb: sevre" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "opens"),
    [
        ("1.3", "Allow from all"),
        ("2.0", "Allow from all"),
        ("2.2", "Allow from all"),
        ("2.4", "Require all granted"),
    ],
)
def test_access_is_written_as_the_line_knows_it(
    file: Path, capsys: pytest.CaptureFixture[str], line: str, opens: str
) -> None:
    assert main(["config", str(file), "--apache", line]) == 0
    text = capsys.readouterr().out
    assert opens in text
    assert ("Require" in text) is (line == "2.4")


def test_options_of_processes_give_the_application_processes(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", str(file), "--user", "shop", "--threads", "3"]) == 0
    text = capsys.readouterr().out
    assert 'SetEnv mod_wsgi.process "auto"' in text
    assert 'SetEnv mod_wsgi.user "shop"' in text
    assert 'SetEnv mod_wsgi.threads "3"' in text


def test_1_3_adds_the_module_that_it_loads(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    so = file.with_name("mod_wsgi.so")
    so.touch()
    assert main(["config", str(file), "--apache", "1.3", "--module", str(so)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f'LoadModule wsgi_module "{so}"', "AddModule mod_wsgi.c"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--static", "static"], "is not URL=DIR"),
        (["--static", "/static/=/not/there"], "there is no folder /not/there"),
        (["--env", "1=2"], "is not NAME=VALUE"),
        (["--env", "A=two\nlines"], "is not NAME=VALUE"),
        (["--server-name", "a\nInclude b"], "has a line break"),
        (["--user", "a\nInclude b"], "has a line break"),
        (["--mount", "shop"], "is not the path of a URL"),
        (["--virtualenv", "/not/there"], "has no bin/python"),
        (["--module", "/not/there"], "is not a file"),
    ],
)
def test_what_makes_no_sense_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert main(["config", str(file), *words]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("app = None", "app"),
        ("app = None\napplication = app", "application"),
        ("from shop import site as app", "app"),
        ("def app(environ, start_response): pass", "app"),
        ("site = None", "application"),
        ("print 'of Python 2.7'", "application"),
    ],
)
def test_a_callable_that_is_not_named_has_a_usual_name(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, chosen: str
) -> None:
    file.write_text(text)
    assert main(["config", str(file)]) == 0
    assert f'mod_wsgi.application "shop::{chosen}"' in capsys.readouterr().out


def test_a_folder_with_one_application_stands_for_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.with_name("other.py").write_text("price = 3\n")
    assert main(["config", str(file.parent)]) == 0
    assert 'mod_wsgi.application "shop::application"' in capsys.readouterr().out


def test_a_folder_with_several_applications_names_them(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.with_name("other.py").write_text("app = None\n")
    assert main(["config", str(file.parent)]) == 2
    told = capsys.readouterr().err
    assert "other.py::app" in told
    assert "shop.py::application" in told


def test_a_folder_without_an_application_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.unlink()
    assert main(["config", str(file.parent)]) == 2
    assert "has an application or app" in capsys.readouterr().err


def test_the_folder_of_manage_py_stands_for_djangos_application(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file.parent / "manage.py").write_text(
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n'
    )
    (file.parent / "mysite").mkdir()
    (file.parent / "mysite" / "__init__.py").touch()
    (file.parent / "mysite" / "wsgi.py").write_text("application = None\n")
    assert main(["config", str(file.parent)]) == 0
    text = capsys.readouterr().out
    assert 'mod_wsgi.application "mysite.wsgi::application"' in text
    assert f'mod_wsgi.directory "{file.parent}"' in text
