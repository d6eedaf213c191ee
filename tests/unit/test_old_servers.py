"""Servers that this module cannot be built for say why, in the compiler's first error."""

import subprocess
from pathlib import Path

import pytest

from command import TOP, servers
from command.servers import Server

THREADLESS = "#include <apr.h>\n#undef APR_HAS_THREADS\n#define APR_HAS_THREADS 0\n"
MODERN = [server for server in servers.find() if server.line != "1.3"]


@pytest.mark.parametrize("server", MODERN, ids=lambda server: server.name)
def test_an_apr_without_threads_is_the_first_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "threadless.h").write_text(THREADLESS)
    folders = [f"-isystem{folder}" for folder in servers.includes(server.apxs)]
    for source in sorted((TOP / "adapters" / "apache2x").glob("*.c")):
        done = subprocess.run(
            [
                *("gcc", "-std=c99", "-D_GNU_SOURCE", "-fsyntax-only", "-Icore", *folders),
                *servers.flags(server.apxs),
                *("-include", str(tmp_path / "threadless.h"), str(source)),
            ],
            cwd=TOP,
            capture_output=True,
            text=True,
            check=False,
        )
        errors = [line for line in done.stderr.splitlines() if "error:" in line]
        assert "this Apache's APR has no threads: build it with --enable-threads" in errors[0]
