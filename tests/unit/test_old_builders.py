"""What builds on an old host: SCons from 2.5 on with Python 2.7, build.sh, the archive of sources.

All of it happens in an unpacked archive, as it does there. The real builds are not optimised,
which saves half of their time.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import TOP, pythons, servers
from command.pythons import Python
from command.servers import Server
from tests.harness import programs, venvs
from tests.harness.builds import a_python, a_server, served
from tools import dist

# For each SCons the Python that runs it.
OLD = {"2.5.1": "2.7", "3.1.2": "2.7", "4.8.1": "3.6"}

READ_BY_SCONS = [TOP / "SConstruct", *sorted((TOP / "command" / "discovery").glob("*.py"))]

TARGETS = (("1.3", "2.7"), ("2.4", "3.11"))

# scons links a program elsewhere, and copies it beside the module.
PROGRAM = re.compile(r"^true -o \S+/(mod_wsgi-\S+)")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (TOP / ".git").exists():
        pytest.skip("this tree is no checkout")
    return dist.make(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def tree(archive: Path, tmp_path: Path) -> Path:
    """What the archive is unpacked to, by the system's tar."""
    programs.run("tar", "xzf", archive, folder=tmp_path)
    return tmp_path / archive.name.removesuffix(".tar.gz")


def scons(release: str) -> tuple[str, ...]:
    """The command of an old SCons."""
    python = a_python(OLD[release])
    try:
        return obtained(release, python)
    except venvs.InstallFailed as failed:
        pytest.skip(f"NOT RUN: SCons {release} cannot be had: {failed}")


def obtained(release: str, python: Python) -> tuple[str, ...]:
    """Has pip bring it. The releases for Python 2.7 run where their archive was unpacked."""
    if python.version != "2.7":
        folder = venvs.make(python, TOP / "build", (f"scons=={release}",))
        return str(folder / "bin" / "python"), "-W", "ignore", "-m", "SCons", "-Q"
    kept = TOP / "build" / "tests-scons"
    program = kept / f"scons-{release}" / "script" / "scons"
    if not program.exists():
        plain = ("--no-deps", "--no-binary", "scons", "--dest", str(kept))
        venvs.pip(python.executable, "download", *plain, f"scons=={release}")
        programs.run("tar", "xzf", kept / f"scons-{release}.tar.gz", folder=kept)
    return str(python.executable), str(program), "-Q"


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would steer a compiler or an installation."""
    steers = ("CC", "CFLAGS", "CPPFLAGS", "LDFLAGS", "DESTDIR", "CI")
    kept = {name: text for name, text in os.environ.items() if name not in steers}
    return {**kept, **more}


def compilations(printed: str) -> list[str]:
    """The lines with the compiler true, sorted, because scons builds several at once."""
    lines = printed.replace('\\"', '"').splitlines()
    found = [" ".join(line.split()) for line in lines if line.startswith("true ")]
    assert found, printed
    return sorted(PROGRAM.sub(r"true -o \1", line) for line in found)


def dry(tree: Path, command: tuple[str, ...], server: Server, python: Python) -> list[str]:
    """What a scons would compile and link, in a tree where nothing was built yet."""
    words = ("-n", f"apxs={server.apxs}", f"python={python.executable}")
    return compilations(
        programs.run(*command, *words, folder=tree, environment=environment(CC="true"))
    )


def newest(tree: Path, server: Server, python: Python) -> list[str]:
    return dry(tree, (sys.executable, "-m", "SCons", "-Q"), server, python)


@pytest.mark.parametrize("version", ["2.7", "3.6"])
@pytest.mark.parametrize("path", READ_BY_SCONS, ids=lambda path: path.name)
def test_an_old_python_understands_what_scons_reads(path: Path, version: str) -> None:
    code = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"
    programs.run(a_python(version).executable, "-c", code, path)


@pytest.mark.parametrize("release", OLD)
def test_an_old_scons_compiles_as_the_newest_does(release: str, tree: Path) -> None:
    command, python = scons(release), a_python("2.7")
    server = servers.choose() if release != "3.1.2" else a_server("1.3")
    assert dry(tree, command, server, python) == newest(tree, server, python)


@pytest.mark.parametrize("line", servers.LINES)
def test_build_sh_compiles_as_scons_does(line: str, tree: Path) -> None:
    server, python = a_server(line), a_python("2.7" if line == "1.3" else "3.11")
    printed = programs.run(
        *("sh", "build.sh"),
        folder=tree,
        environment=environment(CC="true", APXS=str(server.apxs), PYTHON=str(python.executable)),
    )
    assert compilations(printed) == newest(tree, server, python)


@pytest.mark.parametrize("shell", [("bash", "--posix"), ("busybox", "sh")], ids=" ".join)
def test_another_shell_runs_build_sh_alike(shell: tuple[str, ...], tree: Path) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"NOT RUN: {shell[0]} is not installed: {shell[0]} on Debian")
    apxs, python = servers.choose_apxs(), pythons.choose()
    told = environment(CC="true", APXS=str(apxs), PYTHON=str(python.executable))
    printed = [
        programs.run(*words, "build.sh", folder=tree, environment=told)
        for words in (("sh",), shell)
    ]
    assert printed[0] == printed[1]


def test_build_sh_takes_the_flags_of_the_environment_as_scons_does(tree: Path) -> None:
    server, python = servers.choose(), a_python("3.11")
    flags = {"CFLAGS": "-O1 -g0", "CPPFLAGS": "-DX=1 -DY", "LDFLAGS": "-Wl,-O1 -s", "CC": "true"}
    asked = {"APXS": str(server.apxs), "PYTHON": str(python.executable)}
    printed = programs.run(
        *("sh", "build.sh"), folder=tree, environment=environment(**flags, **asked)
    )
    words = ("-n", f"apxs={server.apxs}", f"python={python.executable}")
    expected = programs.run(
        *(sys.executable, "-m", "SCons", "-Q", *words),
        folder=tree,
        environment=environment(**flags),
    )
    assert compilations(printed) == compilations(expected)


# A compiler that does not know -fno-plt and __atomic. Its system has clocks in librt only. It
# compiles nothing but what it is asked with.
OLD_COMPILER = """#!/bin/sh
case " $* " in
*" -fno-plt "*) exit 1 ;;
*/probe.c\\ *) ;;
*) exit 0 ;;
esac
case " $* " in
*" -c "* | *" -E "*) exec gcc -DWSGI_FALLBACKS -U__ATOMIC_RELAXED "$@" ;;
*" -lrt "*) exec gcc "$@" ;;
*) exit 1 ;;
esac
"""


@pytest.fixture
def old_compiler(tmp_path: Path) -> str:
    program = tmp_path / "old-cc"
    program.write_text(OLD_COMPILER)
    program.chmod(0o755)
    return str(program)


def test_what_a_compiler_lacks_is_said_in_a_table(tree: Path, old_compiler: str) -> None:
    server, python = servers.choose(), a_python("3.11")
    words = ("-n", f"apxs={server.apxs}", f"python={python.executable}")
    told = programs.run(
        *(sys.executable, "-m", "SCons", "-Q", *words),
        folder=tree,
        environment=environment(CC=old_compiler),
    )
    lines = told.splitlines()
    assert lines[0] == "scons: this compiler and its system lack"
    assert [line.split("  ")[2].strip() for line in lines[1:8]] == [
        "__atomic",
        "close on exec at once",
        "O_PATH",
        "clocks of the last tick",
        "eventfd, epoll_create1",
        "memory with seals",
        "-fno-plt",
    ]
    assert re.fullmatch("scons: +clocks in the C library +are in librt, which is linked", lines[8])
    called = [line for line in lines if line.startswith(old_compiler)]
    assert len(called) > 100
    assert not [line for line in called if " -fno-plt" in line]
    assert [" -lrt " in line for line in called] == [" -c " not in line for line in called]


def test_build_sh_does_without_what_a_compiler_lacks(tree: Path, old_compiler: str) -> None:
    server, python = servers.choose(), a_python("3.11")
    words = ("-n", f"apxs={server.apxs}", f"python={python.executable}")
    known = {"APXS": str(server.apxs), "PYTHON": str(python.executable)}
    printed = [
        programs.run(*command, folder=tree, environment=environment(CC=old_compiler, **known))
        for command in (("sh", "build.sh"), (sys.executable, "-m", "SCons", "-Q", *words))
    ]
    ours, theirs = (compilations(each.replace(old_compiler, "true")) for each in printed)
    assert ours == theirs


def test_a_compiler_that_is_missing_is_named(tree: Path) -> None:
    told = "scons: there is no compiler /no/cc: install gcc, or set CC"
    with pytest.raises(programs.ProgramFailed, match=told):
        programs.run(
            sys.executable, "-m", "SCons", folder=tree, environment=environment(CC="/no/cc")
        )


def test_build_sh_says_what_it_cannot_build_for(tree: Path) -> None:
    done = subprocess.run(
        ["sh", "build.sh"],
        cwd=tree,
        env=environment(APXS="/no/apxs", PYTHON=sys.executable),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.startswith("build.sh: /no/apxs is not an apxs with its server's headers")


def test_build_sh_refuses_a_path_that_the_shell_would_take_apart(
    tree: Path, tmp_path: Path
) -> None:
    real = servers.choose_apxs()
    (tmp_path / "a b").mkdir()
    apxs = tmp_path / "apxs"
    apxs.write_text(
        "#!/bin/sh\n"
        f'case "$2" in LIBEXECDIR) echo "{tmp_path}/a b" ;; *) exec {real} "$@" ;; esac\n'
    )
    apxs.chmod(0o755)
    told = environment(APXS=str(apxs), PYTHON=str(pythons.choose().executable))
    with pytest.raises(programs.ProgramFailed, match=r"would not read .*: build with scons"):
        programs.run("sh", "build.sh", folder=tree, environment=told)


def test_a_command_for_newer_pythons_says_so_to_an_old_one(tree: Path) -> None:
    told = r"scons: dist needs Python 3.11 or later, which has to run scons"
    with pytest.raises(programs.ProgramFailed, match=told):
        programs.run(*scons("3.1.2"), "dist", folder=tree)


def test_an_old_scons_waits_for_another_build(tree: Path) -> None:
    server, python = servers.choose(), a_python("2.7")
    command = (*scons("3.1.2"), "-n", f"apxs={server.apxs}", f"python={python.executable}")
    (tree / "build").mkdir()
    with (tree / "build" / ".scons.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with subprocess.Popen(
            command, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as started:
            assert started.stderr
            told = started.stderr.readline()
            fcntl.flock(other, fcntl.LOCK_UN)
            started.communicate(timeout=120)
    assert told == "scons: waiting for another build of this folder\n"
    assert started.returncode == 0


@pytest.mark.slow
def test_an_old_scons_builds_and_installs_what_serves(tree: Path) -> None:
    server, python = a_server("1.3"), a_python("2.7")
    words = (f"apxs={server.apxs}", f"python={python.executable}", "install", "moduledir=/made")
    programs.run(
        *scons("3.1.2"),
        *words,
        folder=tree,
        environment=environment(DESTDIR=str(tree), CFLAGS="-O0"),
    )
    assert answers(server, tree / "made") == programs_of(server, python)


@pytest.mark.slow
@pytest.mark.parametrize(("line", "version"), TARGETS)
def test_build_sh_builds_and_installs_what_serves(line: str, version: str, tree: Path) -> None:
    """It also replaces a program that runs."""
    server, python = a_server(line), a_python(version)
    known = {"APXS": str(server.apxs), "PYTHON": str(python.executable)}
    made = tree / str(server.modules).lstrip("/")
    (made / "mod_wsgi").mkdir(parents=True)
    before = shutil.copy("/bin/sleep", made / "mod_wsgi" / "mod_wsgi-spawner")
    with subprocess.Popen([str(before), "600"]) as running:
        try:
            programs.run(
                *("sh", "build.sh", "install"),
                folder=tree,
                environment=environment(**known, DESTDIR=str(tree), CFLAGS="-O0"),
            )
        finally:
            running.kill()
    assert answers(server, made) == programs_of(server, python)


def programs_of(server: Server, python: Python) -> list[str]:
    return [server.httpd.resolve().name, f"mod_wsgi-{python.name}"]


def answers(server: Server, modules: Path) -> list[str]:
    """Which program runs an application in the server's process, and which in its own."""
    with served(server, modules) as (url, _):
        return [programs.first_answer(url + path) for path in ("/", "/apart")]


def entries(archive: Path) -> Iterator[tarfile.TarInfo]:
    with tarfile.open(archive) as opened:
        yield from opened.getmembers()


def test_the_archive_has_each_file_that_git_knows(archive: Path) -> None:
    names = [each.name.partition("/")[2] for each in entries(archive)]
    listed = programs.run("git", "ls-files", "-z").split("\0")
    assert names == sorted(name for name in listed if name and (TOP / name).is_file())


def test_the_same_commit_makes_the_same_archive(archive: Path, tmp_path: Path) -> None:
    assert dist.make(tmp_path).read_bytes() == archive.read_bytes()
    assert {(each.uid, each.gid, each.uname, each.gname) for each in entries(archive)} == {
        (0, 0, "", "")
    }
    assert len({each.mtime for each in entries(archive)}) == 1


def test_a_tree_that_is_no_checkout_makes_no_archive(tree: Path) -> None:
    told = "scons dist: this tree is no checkout of git"
    with pytest.raises(programs.ProgramFailed, match=told):
        programs.run(sys.executable, "-m", "SCons", "-Q", "dist", folder=tree)
