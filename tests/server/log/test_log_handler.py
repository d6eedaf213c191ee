"""mod_wsgi_log.Handler: the level of a record is the server's, and the line names the request."""

import re

import pytest

from tests.harness.site import Site

CONFIG = """
@{base}
@{applications}
<Location /journal>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application journal::application
    SetEnv mod_wsgi.directory "@{www}/code"
</Location>
"""

FILES = {
    "code/journal.py": """
import logging
import mod_wsgi_log

logger = logging.getLogger("journal")
logger.propagate = False
logger.setLevel(logging.DEBUG)
logger.addHandler(mod_wsgi_log.Handler())

def application(environ, start_response):
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(logger, level)("%s of the journal", level)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"logged"]
"""
}


@pytest.mark.parametrize(
    ("level", "shown"),
    [("info", "info"), ("warning", "warn"), ("error", "error"), ("critical", "crit")],
)
def test_a_record_has_its_level_and_its_request(site: Site, level: str, shown: str) -> None:
    site.tolerates("of the journal")
    assert site.get("/journal/x").text == "logged"
    line = site.watch.wait_for(rf"\[/journal/x\] {level} of the journal")
    assert re.search(rf"\[(?:\w+:)?{shown}\] ", line), line
    assert not [each for each in site.watch.lines() if "debug of the journal" in each]
