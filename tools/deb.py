"""Builds the Debian packages into build/deb: those of packaging/debian, from a copy of this tree.

There is a package of processes for each Python of the system that can be embedded. lintian looks
at the result.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

from command import TOP, Problem, pythons
from command.pythons import Python

SOURCE = "mod-wsgi-variables"
RESULT = TOP / "build" / "deb"
LOG = RESULT / "build.log"
LAST_LINES = 20
SYSTEMS_OWN = Path("/usr/bin")
SYSTEMS_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
LEFT_OUT = shutil.ignore_patterns(
    *(".git", "build", "compile_commands.json", "__pycache__", ".venv*", ".*_cache", ".hypothesis")
)


def main() -> int:
    """Returns 0, 1 if lintian complains, or 2 if the packages cannot be built."""
    parser = argparse.ArgumentParser(prog="dev deb", description=__doc__)
    parser.add_argument("--no-lintian", action="store_true", help="build only")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="mod_wsgi-deb-") as folder:
            results = build(Path(folder))
    except Problem as problem:
        print(f"dev deb: {problem}", file=sys.stderr)
        return 2
    for path in results:
        print(path.relative_to(TOP))
    return 0 if arguments.no_lintian else check(results)


def build(folder: Path) -> list[Path]:
    """Builds in a folder, and copies what came of it to build/deb, which is emptied before."""
    chosen = chosen_pythons()
    tree = folder / f"{SOURCE}-{version()}"
    shutil.copytree(TOP, tree, ignore=LEFT_OUT, symlinks=True)
    shutil.copytree(TOP / "packaging" / "debian", tree / "debian")
    complete(tree / "debian", chosen)
    shutil.rmtree(RESULT, ignore_errors=True)
    RESULT.mkdir(parents=True)
    command = ["dpkg-buildpackage", "--build=binary", "--no-sign"]
    environment = {**os.environ, "PATH": SYSTEMS_PATH}
    with LOG.open("w") as log:
        done = subprocess.run(
            command, cwd=tree, env=environment, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        last = "\n".join(LOG.read_text().splitlines()[-LAST_LINES:])
        raise Problem(f"dpkg-buildpackage failed: {LOG} ends with\n{last}")
    made = [*sorted(folder.glob("*.deb")), *folder.glob("*.changes"), *folder.glob("*.buildinfo")]
    return [Path(shutil.copy(path, RESULT)) for path in made]


def chosen_pythons() -> list[Python]:
    """Debian's own Pythons that can be embedded. The first is python3."""
    default = pythons.choose(str(SYSTEMS_OWN / "python3"))
    programs = sorted(SYSTEMS_OWN.glob("python3.*"))
    named = [str(path) for path in programs if re.fullmatch(r"python3\.\d+", path.name)]
    others = [python for python in pythons.find(named) if python != default]
    return [default, *(python for python in others if pythons.fault(python) is None)]


def complete(debian: Path, chosen: Sequence[Python]) -> None:
    """Writes the files that depend on the version and on the Pythons."""
    template = (debian / "control.python").read_text()
    (debian / "control.python").unlink()
    paragraphs = [(debian / "control").read_text()]
    for python in chosen:
        paragraphs.append(template.replace("@VERSION@", python.version))
        program = f"usr/lib/apache2/modules/mod_wsgi/mod_wsgi-{python.name}\n"
        (debian / f"mod-wsgi-python{python.version}.install").write_text(program)
    control = "".join(paragraphs).replace("@DEFAULT@", chosen[0].version)
    (debian / "control").write_text(control.replace("@MAINTAINER@", maintainer()))
    (debian / "pythons").write_text(",".join(str(python.executable) for python in chosen) + "\n")
    (debian / "changelog").write_text(changelog())


def changelog() -> str:
    return (
        f"{SOURCE} ({version()}) unstable; urgency=medium\n\n"
        "  * CHANGELOG.md has the changes of this version.\n\n"
        f" -- {maintainer()}  {formatdate(changed(), localtime=False)}\n"
    )


def maintainer() -> str:
    """Who builds the packages, as Debian's other tools know it."""
    name = os.environ.get("DEBFULLNAME", "mod_wsgi maintainers")
    return f"{name} <{os.environ.get('DEBEMAIL', 'mod_wsgi@packages.invalid')}>"


def changed() -> float:
    """When the tree was changed last: the same tree makes the same packages.

    An unpacked archive has no history. There it is the time of the file VERSION.
    """
    if shutil.which("git"):
        command = ["git", "log", "-1", "--format=%ct"]
        asked = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        if asked.returncode == 0 and asked.stdout:
            return float(asked.stdout)
    return (TOP / "VERSION").stat().st_mtime


def version() -> str:
    text = (TOP / "VERSION").read_text().strip()
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise Problem(f"VERSION has {text}: write three numbers")
    return text


def check(results: Sequence[Path]) -> int:
    """Has lintian look at the packages. Returns 1 if it complains."""
    changes = [str(path) for path in results if path.suffix == ".changes"]
    command = ["lintian", "--pedantic", "--fail-on", "error,warning,pedantic"]
    return 1 if subprocess.run([*command, *changes], check=False).returncode else 0


if __name__ == "__main__":
    sys.exit(main())
