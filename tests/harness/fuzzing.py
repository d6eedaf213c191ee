"""Builds the fuzzers of tests/fuzz and runs them: python -m tests.harness.fuzzing wire 1200.

A fuzzer begins with seeds: packets that are right, which it then spoils. Packets are made here, so
no file of bytes is kept in the tree.
"""

import argparse
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from command import TOP
from tests.harness.frames import (
    BODY,
    DONE,
    END,
    FAIL,
    FLUSH,
    LOG,
    OF_ASK,
    OF_REQUEST,
    REQUEST,
    file,
    frame,
    head,
    read,
)

FUZZ, REQUESTS = TOP / "tests" / "fuzz", TOP / "core" / "request"
WIRE, REMOTE, SPAWNER = TOP / "adapters" / "wire", TOP / "adapters" / "remote", TOP / "spawner"

COMPILER = "clang"
# A thread would close descriptors later than the fuzzer counts them. A connection has no group.
WRAPPED = ("-pthread", "-Wl,--wrap=wsgi_process_add_thread,--wrap=wsgi_group_closing")
FLAGS = ("-std=c99", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
OPTIONS = ("-print_final_stats=1", "-timeout=10", "-rss_limit_mb=1024", "-max_len=9000")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a fuzzer has done."""

    crashed: bool
    executions: int
    covered: int
    text: str


def sources() -> dict[str, tuple[Path, ...]]:
    """The files of the project that each fuzzer drives."""
    wire = sorted(WIRE.glob("*.c"))
    core = sorted(REQUESTS.glob("*.c"))
    small = [REQUESTS / f"{name}.c" for name in ("buffer", "check", "process")]
    return {
        "wire": (*wire, *small),
        "obey": (
            *wire,
            *core,
            *(REMOTE / f"{name}.c" for name in ("obey", "reply", "upload", "group")),
        ),
        "ask": (SPAWNER / "ask.c",),
        "lines": (SPAWNER / "lines.c",),
    }


def missing() -> str:
    """Why fuzzers can't be built here; empty if they can."""
    if shutil.which(COMPILER) is None:
        return "no clang: install it, the fuzzers are not run without it"
    empty = "int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }"
    command = [COMPILER, *SANITIZERS, "-x", "c", "-", "-o", os.devnull]
    done = subprocess.run(command, check=False, input=empty.encode(), capture_output=True)
    return f"clang can't make fuzzers: {done.stderr.decode()}" if done.returncode else ""


def build(name: str, folder: Path) -> Path:
    program = folder / f"fuzz-{name}"
    includes = [f"-I{path}" for path in (TOP / "core", WIRE, REMOTE, SPAWNER, FUZZ)]
    files = [str(FUZZ / f"{name}.c"), *map(str, sources()[name])]
    command = [COMPILER, *FLAGS, *SANITIZERS, *includes, "-o", str(program), *files]
    subprocess.run([*command, *(WRAPPED if name == "obey" else ["-pthread"])], check=True)
    return program


# ---- Seeds ---------------------------------------------------------------------------------


def request(*variables: tuple[str, str], eager: bytes = b"") -> bytes:
    """A packet with a request, as the server sends it."""
    texts = [b"/shop/basket\0", b"/shop\0", b"\0", b"/srv/shop\0", b"/basket\0"]
    texts += [b"localhost\0", b"https\0", b""]
    fixed = OF_REQUEST.pack(len(eager), 8080, len(eager), *map(len, texts), 1, 0)
    pairs = [(name.encode() + b"\0", value.encode() + b"\0") for name, value in variables]
    packed = b"".join(struct.pack("=II", len(a), len(b)) + a + b for a, b in pairs)
    return frame(REQUEST, fixed + b"".join(texts) + packed + eager, count=len(variables))


def ask(kind: int = 1, *, protocol: int = 4, user: bytes = b"#20001", customer: int = 1) -> bytes:
    numbers = (kind, 4, 5, customer, 60, 300, 0, 0, 71)
    return OF_ASK.pack(protocol, *numbers, user, b"3.11", b"shop")


def packets(*parts: bytes, asked: int = 0, kind: int = 0) -> bytes:
    """What fuzz/obey.c takes apart: a byte, then each packet behind its size."""
    sized = (struct.pack("=H", len(part) | kind << 14) + part for part in parts)
    return bytes([asked]) + b"".join(sized)


def responses() -> Iterator[bytes]:
    done, end = frame(DONE), frame(BODY, b"hello", flags=END)
    headers = ("X-One", "1", "Set-Cookie", "a=b")
    yield packets(head() + end + done)
    yield packets(head(length=5, headers=headers) + end, done)
    yield packets(head(length=500) + end, done)
    yield packets(head("204 No Content") + end, done)
    yield packets(head(), frame(BODY, b"x", flags=FLUSH), frame(BODY), end, done)
    yield packets(frame(LOG, b"a line", flags=2), frame(DONE, count=404))
    yield packets(read(), read(7), head() + end + done)
    yield packets(head() + frame(BODY, b"half") + frame(FAIL), done, asked=1)
    yield packets(head(length=9) + file(2, 9), done, kind=1)
    yield packets(head() + file(0, 9), kind=2)
    yield packets(head() + frame(BODY) * 20 + end, done, asked=2)


def seeds() -> dict[str, list[bytes]]:
    heads = [head(), head("404 Not Found", length=12, headers=("X-One", "1", "X-Two", ""))]
    asks = [ask(), ask(2, user=b"#0", customer=0), ask(3), ask(protocol=3), ask()[:40], b""]
    variables = (("REQUEST_METHOD", "POST"), ("EMPTY", ""), ("mod_wsgi.application", "shop"))
    return {
        "wire": [request(), request(*variables, eager=b"eager"), *heads, b"".join(heads)],
        "obey": list(responses()),
        "ask": [bytes([fds]) + packet for packet in asks for fds in range(4)],
        "lines": [b"a line\n", b"<3>an error\r\n<4>more\n", b"\xff" * 5000, b"\n" * 300],
    }


# ---- Running -------------------------------------------------------------------------------


def run(name: str, folder: Path, seconds: int) -> Outcome:
    """Builds a fuzzer in a folder, and runs it there."""
    program = build(name, folder)
    corpus = folder / f"corpus-{name}"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds()[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    command = [str(program), *OPTIONS, f"-max_total_time={seconds}", str(corpus)]
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds + 120,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"},
    )
    text = done.stdout.decode(errors="replace")
    return Outcome(
        crashed=done.returncode != 0,
        executions=last_number(r"stat::number_of_executed_units: +(\d+)", text),
        covered=last_number(r" cov: (\d+)", text),
        text=text[-6000:],
    )


def last_number(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(sources()))
    parser.add_argument("seconds", type=int)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mod_wsgi-fuzz-"))
    outcome = run(chosen.name, folder, chosen.seconds)
    print(outcome.text)
    print(f"{outcome.executions} executions, {outcome.covered} places reached: {folder}")
    return int(outcome.crashed)


if __name__ == "__main__":
    sys.exit(main())
