"""Runs a server that stands behind Apache, such as uWSGI or PHP-FPM."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

STOP_SECONDS = 15.0


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Its process number. All its processes are gone when the block ends.

    No variable that begins with PYTHON steers it, unless the environment that is given has it.
    """
    ours = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    with log.open("ab") as output:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**ours, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield started.pid
    finally:
        started.terminate()
        with suppress(subprocess.TimeoutExpired):
            started.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait(STOP_SECONDS)
