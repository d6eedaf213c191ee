"""The documentation site: how the repository's pages are translated, and what is a fault in it."""

from pathlib import Path

import pytest

from command import TOP
from tools import pages, site


@pytest.mark.parametrize(
    ("written", "translated"),
    [
        ("a\n\n    SetEnv b c\n\nd", "a\n\n``` {.apache}\nSetEnv b c\n```\n\n\nd\n"),
        ("<!-- run -->\n\n    x\n", "\n\n``` {.sh}\nx\n```\n\n"),
        (
            "<!-- append: /srv/a.py -->\n\n    b\n\n    c\n",
            '\n\n``` {.python title="/srv/a.py"}\nb\n\nc\n```\n\n',
        ),
        (
            "b\n\n`/srv/a.py`:\n\n<!-- file: /srv/a.py -->\n\n    c\n",
            'b\n\n``` {.python title="/srv/a.py"}\nc\n```\n\n',
        ),
        ("<!-- append: /srv/a.py\n\n    secret\n-->\na", "\na\n"),
        ("<!-- ask: / 200 -->\na", "\na\n"),
        ("- a\n  - b\n    c\n- d", "- a\n    - b\n        c\n- d\n"),
        ("| `a\\|b` |\n", "| `a|b` |\n"),
        ("- a\n\n      code\n\nb", "- a\n\n        code\n\nb\n"),
    ],
    ids=[
        "guessed",
        "announced",
        "named",
        "named twice",
        "hidden",
        "unseen",
        "nested",
        "bar in a table",
        "code in a list",
    ],
)
def test_a_block_gets_a_language_and_a_list_its_columns(written: str, translated: str) -> None:
    assert pages.translated(written, "README.md") == translated


@pytest.mark.parametrize(
    ("place", "written", "translated"),
    [
        ("guides/flask.md", "[a](../processes.md#why)", "[a](../processes.md#why)"),
        ("installation.md", "[a](../README.md)", "[a](project/readme.md)"),
        ("guides/flask.md", "[tested.md](../tested.md)", "[What was tested](../tested.md)"),
        ("guides/flask.md", "[a](../../core/core.h)", "a"),
        ("project/readme.md", "[a\nb](docs/tested.md)", "[a\nb](../tested.md)"),
        ("project/tests-readme.md", "[a](../docs/decisions)", "[a](../decisions/README.md)"),
        ("tested.md", "[a](https://example.com/b) [c](#d)", "[a](https://example.com/b) [c](#d)"),
    ],
)
def test_a_link_leads_to_the_same_page(place: str, written: str, translated: str) -> None:
    assert pages.translated(written, place).strip() == translated


def test_faults_of_a_site_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="b">B</h1><a href="#b">1</a><a href="a.html#c">2</a><a href="d.html">3</a>'
        '<a href="https://example.com/">4</a><script src="//example.com/e.js"></script>'
    )
    (tmp_path / "f.css").write_text("@font-face { src: url('https://example.com/g.woff') }")
    assert sorted(site.faults(tmp_path)) == [
        "a.html: //example.com/e.js is another server's",
        "a.html: //example.com/e.js leads nowhere",
        "a.html: a.html#c leads nowhere",
        "a.html: d.html leads nowhere",
        "f.css: a part is another server's",
    ]


def test_every_page_has_its_place_in_the_site() -> None:
    config = (TOP / "mkdocs.yml").read_text()
    names = [str(path.relative_to(TOP / "docs")) for path in (TOP / "docs").rglob("*.md")]
    missing = [
        name for name in names if f" {name}\n" not in config and not name.startswith("decisions/0")
    ]
    assert missing == [], "name these under nav: in mkdocs.yml"


def test_every_decision_stands_behind_their_index() -> None:
    assert site.DECISIONS in (TOP / "mkdocs.yml").read_text()
