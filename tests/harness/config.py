"""The configuration that most tests share: every application of tests/apps, each at its own URL.

The application APP::CALLABLE answers at /APP/CALLABLE, all in one interpreter.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.harness.site import Config

APPS = Path(__file__).parent.parent / "apps"

BASE = """
SetEnv mod_wsgi.directory "@{apps}"
SetEnv mod_wsgi.interpreter tests
SetEnv tests.scratch "@{scratch}"
SetEnv tests.file "@{data}"
"""

APPLICATION = """
<Location /{module}/{name}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application {module}::{name}
</Location>
"""

LIMITED = """
<Location /limited>
    LimitRequestBody 1000
    SetHandler mod_wsgi
</Location>
<Location /limited/read_outside>
    SetEnv mod_wsgi.application bodies::read_outside
</Location>
<Location /limited/error_name>
    SetEnv mod_wsgi.application bodies::error_name
</Location>
<Location /limited/has_a_bug>
    SetEnv mod_wsgi.application bodies::has_a_bug
</Location>
"""

DEFAULT = "@{base}@{applications}"


def applications() -> Iterator[tuple[str, str]]:
    """Module and name of everything in tests/apps that takes environ and start_response."""
    for path in sorted(APPS.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and is_application(node):
                yield path.stem, node.name


def is_application(function: ast.FunctionDef) -> bool:
    names = [argument.arg for argument in function.args.args]
    return names == ["environ", "start_response"]


def expand(text: str, values: Mapping[str, str]) -> str:
    """The text with every @{name} replaced; a name that nobody knows is an error."""
    whole = {
        "base": Config(BASE).substitute(values),
        "applications": sections() + LIMITED,
        **values,
    }
    return Config(text).substitute(whole)


@cache
def sections() -> str:
    """A section for each application; all are parsed for it, once for all servers of a run."""
    return "".join(APPLICATION.format(module=module, name=name) for module, name in applications())
