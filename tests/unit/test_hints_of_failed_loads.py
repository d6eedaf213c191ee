"""The lines behind a load that failed: none that leads astray."""

from pathlib import Path

import pytest

from tests.unit.conftest import Bare

TWICE = ("--requests", "2", "broken::application")


@pytest.mark.parametrize(
    "source", ["import interpreter_tools", "from os import interpreters"], ids=["module", "name"]
)
def test_a_name_with_the_word_interpreter_is_no_extension_module(
    bare: Bare, tmp_path: Path, source: str
) -> None:
    (tmp_path / "broken.py").write_text(f"{source}\n")
    outcome = bare("broken::application", directory=tmp_path)
    assert outcome.status == "500 (error page)"
    assert "ImportError" in str(outcome.errors) or "ModuleNotFoundError" in str(outcome.errors)
    assert "extension module" not in str(outcome.errors)


def test_an_extension_module_that_refuses_is_told(bare: Bare, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "raise ImportError('module x does not support loading in subinterpreters')\n"
    )
    outcome = bare("broken::application", directory=tmp_path)
    assert "an extension module does not support this interpreter" in str(outcome.errors)


def test_a_failure_with_other_numbers_in_its_words_is_the_same(bare: Bare, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "import itertools, sys\n"
        "sys.count = getattr(sys, 'count', None) or itertools.count()\n"
        "raise LookupError('no connection, attempt %d' % next(sys.count))\n"
    )
    outcome = bare(*TWICE, directory=tmp_path)
    told = "\n".join(outcome.errors)
    assert told.count("LookupError: no connection, attempt") == 2
    assert "left behind" not in told


def test_a_failure_of_another_type_repeats_the_first(bare: Bare, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "import sys\n"
        "error, sys.error = getattr(sys, 'error', LookupError), RuntimeError\n"
        "raise error('it does not load')\n"
    )
    outcome = bare(*TWICE, directory=tmp_path)
    told = "\n".join(outcome.errors)
    assert told.count("LookupError: it does not load") == 2
    assert told.count("left behind") == 1


def test_a_callable_whose_lookup_raises_is_not_said_to_be_missing(
    bare: Bare, tmp_path: Path
) -> None:
    """An attribute may be a property, which runs code of the application."""
    (tmp_path / "broken.py").write_text(
        "class Holder(object):\n"
        "    @property\n"
        "    def application(self):\n"
        "        raise LookupError('no database')\n"
        "holder = Holder()\n"
    )
    outcome = bare("broken::holder.application", directory=tmp_path)
    told = "\n".join(outcome.errors)
    assert "'broken::holder.application' can't be loaded, because it raised:" in told
    assert "LookupError: no database" in told
    assert "in application" in told
    assert "there is no" not in told
