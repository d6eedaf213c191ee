"""An application that writes without end does not fill the disk with the log."""

import re

from tests.harness.errorlog import until
from tests.harness.site import Site

CONFIG = """
@{base}
@{applications}
<Location /floods>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application floods::application
    SetEnv mod_wsgi.directory "@{www}/code:@{apps}"
</Location>
"""

LINES, SIZE = 10_000, 6_000  # 60 MB

FILES = {
    "code/floods.py": f"""
import answers

def application(environ, start_response):
    errors = environ["wsgi.errors"]
    if environ["QUERY_STRING"] == "flood":
        for _ in range({LINES}):
            errors.write("flood " + "x" * {SIZE} + "\\n")
    else:
        errors.write("a line again\\n")
    return answers.plain(start_response, b"written")
"""
}


def test_an_application_cannot_fill_the_disk_with_its_log(site: Site) -> None:
    site.tolerates("flood xxx|a line again|by wsgi.errors|MW064[12]|MW0709")
    assert site.get("/floods?flood").text == "written"
    begun = "MW0641: the application writes too many lines, serving /floods"
    assert site.watch.wait_for(begun)
    assert site.get("/logs/by_errors").text == "logged"
    assert site.watch.wait_for("by wsgi.errors$"), "another application may write"
    assert until(lambda: site.get("/floods").text and told(site), 20)
    assert site.watch.wait_for("a line again$")
    written = sum("flood xxx" in line for line in site.watch.lines())
    assert LINES / 4 < written < LINES / 2
    if site.mode == "embedded":
        left_out = sum(told(site))
        again = sum("a line again" in line for line in site.watch.lines())
        assert LINES <= written + left_out <= LINES + again + 10


def told(site: Site) -> list[int]:
    """What lines of the log say that was left out."""
    found = [re.search(r"MW0642: (\d+) lines", line) for line in site.watch.lines()]
    return [int(each[1]) for each in found if each]
