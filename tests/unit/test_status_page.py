"""The status page reads memory that a hostile application has written, and still answers.

The layers below Python are linked into a program, with a memory of random bytes.
"""

import json
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.unit.test_layers import CORE, SOURCES, WITHOUT_PYTHON, layer_of

SPOILT = r"""
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "request/request.h"

static int send_head(void *record, const wsgi_head *head)
{
    (void)record;
    (void)head;
    return 0;
}

static int send_body(void *record, const wsgi_chunk *chunks, size_t count, enum wsgi_after after)
{
    (void)record;
    (void)after;
    fwrite(chunks->data, 1, count ? chunks->size : 0, stdout);
    return 0;
}

static void say(void *record, enum wsgi_level level, const char *line)
{
    (void)record;
    (void)level;
    puts(line);
}

static void spoil(unsigned char *memory, size_t size, unsigned seed)
{
    size_t i;

    for (i = 0; i < size; i++) {
        seed = seed * 1103515245u + 12345u;
        memory[i] = (unsigned char)(seed >> 16);
    }
}

/* Of two processes that were noted, one had this number, and has died since. */
static void note_processes(wsgi_tally *memory)
{
    wsgi_tally_process process = {.pid = (uint32_t)getpid(), .noted = wsgi_seconds()};

    memory->rows[0].key = 1;
    memory->rows[0].is_ready = 1;
    strcpy(memory->rows[0].names.process, "shop");
    memory->processes[0] = process;
    process.noted -= 100;
    memory->processes[1] = process;
}

int main(int argc, char **argv)
{
    static const wsgi_host host = {.send_head = send_head, .send_body = send_body, .log = say};
    wsgi_request request = {.uri = "/"};
    wsgi_tally *memory = calloc(1, sizeof *memory);

    (void)argc;
    setlocale(LC_ALL, "");
    wsgi_process_given.host = &host;
    wsgi_tally_open(memory, "mod_wsgi/1 Python/3.13", 1);
    if (argv[2][0] == '-')
        note_processes(memory);
    else if (argv[2][0] != '0')
        spoil((unsigned char *)memory, sizeof *memory, (unsigned)atoi(argv[2]));
    return wsgi_status_serve(&request, argv[1]);
}
"""


@pytest.fixture
def page(bare_host: Path, tmp_path: Path) -> Callable[[str, int], str]:
    """What a query gets, of memory with so many random bytes, or of an empty one (0).

    -1: of one with two processes.
    """
    folder = bare_host.parent.parent / bare_host.parent.name.replace("bare-", "core-", 1)
    source, program = tmp_path / "spoilt.c", tmp_path / "spoilt"
    source.write_text(SPOILT)
    linked = [
        str(folder / f"{path.stem}.os") for path in SOURCES if layer_of(path) in WITHOUT_PYTHON
    ]
    command = ["gcc", "-std=c99", "-D_GNU_SOURCE", f"-I{CORE}", "-o", str(program)]
    subprocess.run([*command, str(source), *linked, "-pthread"], check=True)

    def show(query: str, seed: int) -> str:
        ran = subprocess.run([str(program), query, str(seed)], capture_output=True, check=True)
        return ran.stdout.decode()

    return show


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_spoilt_memory_still_gives_whole_answers(
    page: Callable[[str, int], str], seed: int
) -> None:
    found = json.loads(page("json", seed))
    assert len(found["applications"]) == (513 if seed else 0)
    texts = [each["last_error"] or "" for each in found["applications"]]
    assert not [char for char in "".join(texts) if unicodedata.category(char) == "Cc"]
    families = list(text_string_to_metric_families(page("metrics", seed)))
    assert {"mod_wsgi_requests", "mod_wsgi_in_flight"} <= {each.name for each in families}
    assert page("", seed).endswith("</html>\n")
    assert all(": " in line for line in page("auto", seed).rstrip("\n").split("\n"))


def test_a_process_that_began_after_it_was_noted_is_another(
    page: Callable[[str, int], str],
) -> None:
    found = json.loads(page("json", -1))
    assert [each["kind"] for each in found["processes"]] == ["application"]


def test_numbers_have_a_point_whatever_locale_an_application_chooses(
    page: Callable[[str, int], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "de_DE.UTF-8"
    command = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(made)]
    if shutil.which("localedef") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("no locale can be made here")
    monkeypatch.setenv("LOCPATH", str(tmp_path))
    monkeypatch.setenv("LC_ALL", made.name)
    assert json.loads(page("json", 1))["seconds"] > 0
    assert list(text_string_to_metric_families(page("metrics", 1)))
