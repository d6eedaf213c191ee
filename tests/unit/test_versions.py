"""VERSION is the only place where the number is written. All else reads it."""

import re

from command import TOP
from tools import deb, manual

VERSION = (TOP / "VERSION").read_text().strip()


def test_the_debian_packages_have_the_number() -> None:
    assert deb.changelog().startswith(f"{deb.SOURCE} ({VERSION}) ")


def test_the_manual_page_has_the_number() -> None:
    assert f'"mod_wsgi {VERSION}"' in next(manual.lines())


def test_no_file_of_packaging_repeats_the_number() -> None:
    files = [path for path in (TOP / "packaging").rglob("*") if path.is_file()]
    assert files
    written = re.compile(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])")
    assert [str(path) for path in files if written.search(path.read_text())] == []
