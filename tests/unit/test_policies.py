"""The policies of packaging/ for SELinux and AppArmor: the tools of each read them.

No kernel that enforces them is needed.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[2] / "packaging"
SELINUX = PACKAGING / "selinux"
MAKEFILE = Path("/usr/share/selinux/devel/Makefile")


def test_the_selinux_policy_compiles(tmp_path: Path) -> None:
    if not MAKEFILE.exists():
        pytest.skip("SELinux's policies can't be compiled here: selinux-policy-dev on Debian")
    for part in SELINUX.iterdir():
        shutil.copy(part, tmp_path)
    words = ["make", "-f", str(MAKEFILE), "NAME=default", "mod_wsgi.pp"]
    made = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert (tmp_path / "mod_wsgi.pp").stat().st_size > 0


def test_the_selinux_policy_names_classes_that_there_are() -> None:
    """A policy with an unknown class compiles, and is not installed. Packets are streams there."""
    assert "unix_seqpacket_socket" not in (SELINUX / "mod_wsgi.te").read_text()


@pytest.mark.parametrize("part", ["mod_wsgi.te", "mod_wsgi.fc"])
def test_the_selinux_policy_has_both_programs(part: str) -> None:
    text = (SELINUX / part).read_text()
    assert "mod_wsgi_spawner_exec_t" in text
    assert "mod_wsgi_process_exec_t" in text


def test_the_apparmor_profile_is_read() -> None:
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin")
    if parser is None:
        pytest.skip("AppArmor's profiles can't be read here: apparmor on Debian")
    profile = PACKAGING / "apparmor" / "mod_wsgi-spawner"
    words = [parser, "--skip-kernel-load", "--skip-cache", str(profile)]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
