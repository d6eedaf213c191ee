"""Programs that tests run: to their end, or until they answer."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from command import TOP

PATIENCE = 30.0


class ProgramFailed(AssertionError):
    """It has not ended in time, or not well. The text has what it wrote."""


def run(
    *words: str | Path,
    seconds: float = 600,
    folder: Path = TOP,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What a program has written to both its streams, when it has ended well."""
    command = [str(word) for word in words]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as late:
        written = late.output or b""
        text = written.decode(errors="replace") if isinstance(written, bytes) else written
        problem = f"{' '.join(command)} has not ended after {seconds:.0f} s:\n{text}"
        raise ProgramFailed(problem) from late
    if done.returncode != 0:
        raise ProgramFailed(
            f"{' '.join(command)} has ended with {done.returncode}:\n{done.stdout}"
        )
    return done.stdout


def first_answer(url: str, server: subprocess.Popen[bytes] | None = None) -> str:
    """The answer of a server that may be starting. An error page is an answer: HTTPError."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urlopen(url, timeout=10) as response:
                return str(response.read().decode())
        except HTTPError:
            raise
        except OSError:
            status = server.poll() if server is not None else None
            assert status is None, f"the server has ended with status {status}"
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.1)
