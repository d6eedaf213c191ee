"""mod_wsgi config: the server serves what is printed."""

import pytest

from command import httpd
from command.__main__ import main
from tests.conftest import Serve
from tests.harness.cells import Cell

pytestmark = pytest.mark.any_python

APPLICATION = """
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    told = "%s %s %s" % (os.environ["COLOUR"], environ["SCRIPT_NAME"], environ["PATH_INFO"])
    return [told.encode("latin-1")]
"""


@pytest.mark.parametrize("mount", ["/", "/shop"])
def test_the_printed_site_serves_the_application_and_its_files(
    cell: Cell, serve: Serve, capsys: pytest.CaptureFixture[str], mount: str
) -> None:
    """Each line of Apache reads the configuration that is printed for it."""
    with httpd.server_root() as root:
        (root / "code").mkdir()
        (root / "code" / "printed.py").write_text(APPLICATION)
        (root / "static").mkdir()
        (root / "static" / "site.css").write_text("p { color: black }")
        httpd.open_to_all(*root.rglob("*"))
        words = [
            *("config", str(root / "code" / "printed.py"), "--apache", cell.server.line),
            *("--port", "8080", "--mount", mount, "--env", 'COLOUR=a "deep" blue'),
            *("--static", f"/static/={root / 'static'}"),
        ]
        assert main(words) == 0
        site = serve(capsys.readouterr().out.replace(":8080", ":@{port}"))
        script = mount.rstrip("/")
        assert site.get(f"{script}/page").text == f'a "deep" blue {script} /page'
        assert site.get("/static/site.css").text == "p { color: black }"
        site.tolerates("File does not exist")
        assert site.get("/static/none.css").status_code == 404
