"""mod_python in the server, and applications in processes: two Pythons that never meet."""

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell

pytestmark = pytest.mark.needs("mod-python", "processes")

HANDLER = """
import sys
from mod_python import apache

def handler(req):
    req.content_type = "text/plain"
    req.write("mod_python %d.%d" % sys.version_info[:2])
    return apache.OK
"""

CONFIG = """
@{base}
@{applications}
<Location /python>
    SetHandler mod_python
    PythonHandler marking
    PythonPath "['@{www}'] + sys.path"
</Location>
"""


def test_each_has_its_own_python(serve: Serve, cell: Cell, version: str) -> None:
    module = cell.server.modules / "mod_python.so"
    if not module.exists():
        pytest.skip("mod_python is not installed: libapache2-mod-python on Debian")
    load = f'LoadModule python_module "{module}"\n'
    site = serve(load + CONFIG, files={"marking.py": HANDLER})
    for _ in range(3):
        assert site.get("/python").text.startswith("mod_python ")
        assert site.get("/hello/named").text == "hello from named"
    assert f"Python {version.rstrip('t')}." in site.watch.wait_for("has made the interpreter")
