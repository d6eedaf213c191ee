"""A child of the server that can still become another user loads nothing before it has requests.

It is one of mpm-itk or mod_ruid2: what it loads would have the right to become anybody.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from command import TOP

ASK = r"""
#include "remote/memory.h"

int main(void)
{
    return wsgi_memory_may_warm() ? 0 : 1;
}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_only_a_child_that_stays_its_user_loads_beforehand(tmp_path: Path) -> None:
    source, program = tmp_path / "ask.c", tmp_path / "ask"
    source.write_text(ASK)
    adapters = TOP / "adapters"
    command = ["gcc", "-std=c99", "-D_GNU_SOURCE", "-ffunction-sections", "-Wl,--gc-sections"]
    command += [f"-I{adapters}", "-o", str(program), str(source)]
    subprocess.run([*command, str(adapters / "remote" / "memory.c")], check=True)
    assert subprocess.run([str(program)], check=False).returncode == 1
    setpriv = shutil.which("setpriv")
    assert setpriv
    kept = [setpriv, "--reuid", "65534", "--clear-groups"]
    with program.open("rb") as opened:  # pytest's folder is closed to others
        run = f"/proc/self/fd/{opened.fileno()}"
        done = subprocess.run([*kept, run], check=False, pass_fds=[opened.fileno()])
    assert done.returncode == 0
    with program.open("rb") as opened:
        run = f"/proc/self/fd/{opened.fileno()}"
        rights = ["--inh-caps", "+setuid", "--ambient-caps", "+setuid"]
        done = subprocess.run([*kept, *rights, run], check=False, pass_fds=[opened.fileno()])
    assert done.returncode == 1
