"""Which application a file or a folder has, as mod_wsgi serve and mod_wsgi config find it."""

from pathlib import Path

import pytest

from command import Problem, recognise, serve
from command.__main__ import main
from tests.harness import sources

APPLICATION = "def application(environ, start_response):\n    pass\n"
SETTINGS = "ROOT_URLCONF = 'shop.urls'\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (APPLICATION, "application"),
        ("app = None\n", "app"),
        ("app = None\napplication = app\n", "application"),
        ("from elsewhere import app\n", "app"),
        ("nothing = 1\n", "application"),
    ],
)
def test_a_file_has_the_usual_name(tmp_path: Path, text: str, name: str) -> None:
    sources.write(tmp_path, shop=text)
    found = serve.named_application(str(tmp_path / "shop.py"), ())
    assert found.setting == f"shop::{name}"


def test_what_was_not_chosen_is_named(tmp_path: Path) -> None:
    sources.write(tmp_path, shop="app = None\napplication = app\n\ndef create_app():\n    pass\n")
    file = tmp_path / "shop.py"
    told = serve.chosen(serve.named_application(str(file), ()))
    also = f"for another write {file}::app or {file}::create_app()"
    assert told == f"found shop::application of {file}; {also}\n"


def test_a_factory_is_called_in_a_module_that_is_made(tmp_path: Path) -> None:
    sources.write(tmp_path, shop__site="def create_app():\n    pass\n")
    for app in (tmp_path / "shop" / "site.py", f"{tmp_path}/shop/site.py::create_app()"):
        found = serve.find_application(str(app), [], tmp_path)
        assert found.setting == "mod_wsgi_serve::application"
        assert found.directories == (tmp_path, tmp_path)
        made = (tmp_path / "mod_wsgi_serve.py").read_text()
        assert made == "from shop.site import create_app\n\napplication = create_app()\n"


def test_a_factory_of_a_module_is_called(tmp_path: Path) -> None:
    found = serve.named_application("shop.site::make()", (tmp_path,))
    assert (found.directories, found.made.splitlines()[-1]) == (
        (tmp_path,),
        "application = make()",
    )


def test_config_has_no_place_for_a_module_that_calls_a_factory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources.write(tmp_path, shop="def create_app():\n    pass\n")
    assert main(["config", str(tmp_path / "shop.py")]) == 2
    told = capsys.readouterr().err
    assert "application = create_app()" in told


def test_several_applications_of_a_folder_are_named(tmp_path: Path) -> None:
    sources.write(tmp_path, one=APPLICATION, two="app = 1\n", three="x = 1\n")
    with pytest.raises(Problem) as told:
        serve.named_application(str(tmp_path), ())
    assert str(told.value).endswith(f"{tmp_path}/one.py::application, {tmp_path}/two.py::app")


def test_several_factories_of_a_folder_are_named(tmp_path: Path) -> None:
    text = "def create_app():\n    pass\n"
    sources.write(tmp_path, one=text, two=text)
    with pytest.raises(Problem) as told:
        serve.named_application(str(tmp_path), ())
    assert f"{tmp_path}/one.py::create_app(), {tmp_path}/two.py::create_app()" in str(told.value)


def test_django_is_found_by_manage_py(tmp_path: Path) -> None:
    sources.write(
        tmp_path,
        manage="os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings.local')\n",
        shop__settings__local=SETTINGS,
        shop__wsgi="application = 1\n",
    )
    assert serve.named_application(str(tmp_path), ()).setting == "shop.wsgi::application"


def test_django_is_found_without_manage_py(tmp_path: Path) -> None:
    sources.write(
        tmp_path, shop__settings=SETTINGS, shop__wsgi="application = 1\n", app="app = 1\n"
    )
    for folder in (tmp_path, tmp_path / "shop"):
        found = serve.named_application(str(folder), ())
        assert (found.setting, found.directories) == ("shop.wsgi::application", (tmp_path,))


def test_django_says_itself_which_application_it_is(tmp_path: Path) -> None:
    text = f"{SETTINGS}WSGI_APPLICATION = 'shop.entry.site'\n"
    sources.write(tmp_path, shop__settings=text, shop__entry="site = 1\n")
    assert serve.named_application(str(tmp_path), ()).setting == "shop.entry::site"


def test_django_without_a_wsgi_py_gets_one(tmp_path: Path) -> None:
    sources.write(tmp_path, shop__settings=SETTINGS)
    found = serve.named_application(str(tmp_path), ())
    assert found.directories == (tmp_path,)
    assert 'setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")' in found.made
    assert serve.chosen(found) == (
        f"found get_wsgi_application() for {tmp_path}/shop/settings.py\n"
    )


def test_several_projects_of_django_are_named(tmp_path: Path) -> None:
    sources.write(tmp_path, shop__settings=SETTINGS, club__settings=SETTINGS)
    with pytest.raises(Problem, match="several projects of Django") as told:
        recognise.in_folder(tmp_path)
    assert str(told.value).endswith(f"{tmp_path}/club or {tmp_path}/shop")
