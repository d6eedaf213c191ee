"""The reader of docs/guides: what a block is, and that none is overlooked."""

import re
from pathlib import Path

import pytest

from command import TOP
from tests.harness import guides

PAGE = """# A page

<!-- file: /srv/shop/app.py -->

    first

    second
<!-- site: one -->
Some text.
<!-- file: /srv/shop/hidden.py

hidden
-->
<!-- ask: POST /x Host:a.example name=b 200 three  words -->
<!-- site: two -->
<!-- run -->

    true
"""


def read(folder: Path, text: str) -> list[guides.Scenario]:
    page = folder / "page.md"
    page.write_text(text)
    return guides.read(page)


def test_each_site_is_a_scenario_that_begins_with_what_they_share(tmp_path: Path) -> None:
    told = {each.name: [step.text for step in each.steps] for each in read(tmp_path, PAGE)}
    shared = "first\n\nsecond\n"
    asked = "POST /x Host:a.example name=b 200 three  words\n"
    assert told == {
        "page-one": [shared, "hidden\n", asked],
        "page-two": [shared, "true\n"],
    }


def test_a_page_without_sites_is_one_scenario(tmp_path: Path) -> None:
    assert [each.name for each in read(tmp_path, "<!-- ask: / 200 -->\n")] == ["page"]


@pytest.mark.parametrize(
    "text", ["text\n\n    block\n", "<!-- run -->\ntext\n", "<!-- rum -->\n\n    true\n"]
)
def test_a_block_needs_its_comment_and_a_comment_its_block(tmp_path: Path, text: str) -> None:
    with pytest.raises(guides.NotAPage):
        read(tmp_path, text)


SAME = """<!-- site: one -->
<!-- configuration: Lines -->
<!-- site: two -->
<!-- without: mod_wsgi -->
<!-- python: 3.* -->
<!-- same: one -->
"""


def test_a_site_can_have_the_configuration_of_another_and_no_module(tmp_path: Path) -> None:
    one, two = read(tmp_path, SAME)
    assert [step.text for step in two.steps] == ["Lines\n"]
    assert (one.loaded, two.loaded) == (True, False)
    assert (one.pythons, two.pythons) == (("*",), ("3.*",))


def test_a_site_has_the_configuration_of_one_before_it(tmp_path: Path) -> None:
    with pytest.raises(guides.NotAPage):
        read(tmp_path, SAME.replace("same: one", "same: two"))


def test_a_request_has_headers_fields_and_a_text_to_find() -> None:
    assert guides.exchange("POST /x Host:a.example name=b 200 three  words") == (
        "POST",
        "/x",
        {"headers": {"Host": "a.example"}, "data": {"name": "b"}},
        200,
        "three  words",
    )


def test_every_page_can_be_read() -> None:
    assert {page.stem for page in guides.PAGES} >= {"django", "static-files", "tutorial"}
    assert guides.scenarios()


# Those of its version 6, from its source and its manual.
DIRECTIVES = """
WSGIAcceptMutex WSGIAccessScript WSGIApplicationGroup WSGIAuthGroupScript WSGIAuthUserScript
WSGICallableObject WSGICaseSensitivity WSGIChunkedRequest WSGIDaemonProcess
WSGIDestroyInterpreter WSGIDispatchScript WSGIDontWriteBytecode WSGIEnableSendfile
WSGIErrorOverride WSGIFreeThreading WSGIGroupAuthoritative WSGIHandlerScript WSGIIgnoreActivity
WSGIImportScript WSGIInterpreterOptions WSGIMapHEADToGET WSGIPassApacheRequest
WSGIPassAuthorization WSGIPerInterpreterGIL WSGIProcessGroup WSGIPythonEggs WSGIPythonHashSeed
WSGIPythonHome WSGIPythonOptimize WSGIPythonPath WSGIPythonWarnings WSGIRestrictEmbedded
WSGIRestrictProcess WSGIRestrictSignal WSGIRestrictStdin WSGIRestrictStdout WSGIScriptAlias
WSGIScriptAliasMatch WSGIScriptReloading WSGIServerMetrics WSGISlowRequests WSGISocketPrefix
WSGISocketRotation WSGISwitchInterval WSGITelemetryOptions WSGITelemetryService
WSGITrustedProxies WSGITrustedProxyHeaders WSGIVerboseDebugging
"""


def test_each_directive_of_the_other_module_has_an_answer() -> None:
    page = (TOP / "docs" / "guides" / "from-mod_wsgi.md").read_text()
    assert [name for name in DIRECTIVES.split() if not re.search(rf"\b{name}\b", page)] == []


def test_a_site_may_be_slow(tmp_path: Path) -> None:
    one, two = read(tmp_path, "<!-- site: one -->\n<!-- slow: it builds -->\n<!-- site: two -->\n")
    assert (one.is_slow, two.is_slow) == (True, False)
    assert one.steps == ()
