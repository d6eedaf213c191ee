"""Rules of servers that their adapters share, asked in C: section.c, copies.c, header.c, names.c.

Each test is a program of its own, made of the lowest layer's sources. They need neither Python's
headers nor a server's.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from command import TOP

CORE = TOP / "core"
RULES = [CORE / "request" / f"{name}.c" for name in ("section", "copies", "header", "names")]

PROGRAM = r"""
#include <stdio.h>
#include <string.h>

#include "host.h"

%s

int main(void)
{
%s
    return 0;
}
"""

Asked = Callable[..., list[str]]


COMPILE = ("gcc", "-std=c99", "-D_GNU_SOURCE", "-Wall", "-Werror", f"-I{CORE}")


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The rules' objects."""
    folder = tmp_path_factory.mktemp("rules")
    subprocess.run([*COMPILE, "-c", *map(str, RULES)], check=True, cwd=folder)
    return [str(folder / f"{path.stem}.o") for path in RULES]


@pytest.fixture
def asked(rules: list[str], tmp_path: Path) -> Asked:
    """Runs statements of C, and gives the lines that they print."""

    def ask(statements: str, declarations: str = "") -> list[str]:
        source, program = tmp_path / "ask.c", tmp_path / "ask"
        source.write_text(PROGRAM % (declarations, statements))
        subprocess.run([*COMPILE, "-o", str(program), str(source), *rules], check=True)
        told = subprocess.run([str(program)], capture_output=True, check=True, text=True).stdout
        return told.splitlines()

    return ask


def printed(calls: list[str]) -> str:
    return "\n".join(f'printf("%d\\n", (int){call});' for call in calls)


# ---- Sections ------------------------------------------------------------------------------


def test_the_deeper_section_wins_and_of_equal_ones_the_later(asked: Asked) -> None:
    cases = {
        'wsgi_section_is_deeper("/srv/", NULL)': "1",
        'wsgi_section_is_deeper(NULL, "/srv/")': "0",
        "wsgi_section_is_deeper(NULL, NULL)": "0",
        'wsgi_section_is_deeper("/srv/app/", "/srv/")': "1",
        'wsgi_section_is_deeper("/srv/", "/srv/app/")': "0",
        'wsgi_section_is_deeper("/srv/b/", "/srv/a/")': "1",
    }
    assert asked(printed(list(cases))) == list(cases.values())


def test_a_path_is_in_a_directory_or_beside_it(asked: Asked) -> None:
    cases = {
        'wsgi_section_holds("/srv/", "/srv/app/index.py/")': "1",
        'wsgi_section_holds("/srv/app/", "/srv/app/")': "1",
        'wsgi_section_holds("/srv/app/", "/srv/apple/")': "0",
        'wsgi_section_holds("/srv/app/", "/srv/")': "0",
    }
    assert asked(printed(list(cases))) == list(cases.values())


def test_a_pattern_is_compared_with_as_many_segments_as_it_has(asked: Asked) -> None:
    fronts = {
        ("/srv/*", "/srv/app/views/"): "/srv/app",
        ("/srv/*/", "/srv/app/views/"): "/srv/app",
        ("/srv//*", "/srv/app/views/"): "/srv/app",
        ("/*", "/srv/app/"): "/srv",
        ("/", "/srv/app/"): "",
        ("*", "/srv/app/"): "",
        ("/srv/*/*/*", "/srv/app/"): "/srv/app/",
        ("/*", ""): "",
    }
    calls = [f'wsgi_section_front("{pattern}", "{path}")' for pattern, path in fronts]
    assert asked(printed(calls)) == [str(len(front)) for front in fronts.values()]


def test_directories_are_sorted_the_deepest_first_and_of_equal_ones_the_last(asked: Asked) -> None:
    statements = """
    const char *some[] = {"/srv/", "/", "/srv/app/", "/srv/b/", "/srv/c/"};
    const char *one[] = {"/"};
    int i;

    wsgi_section_sort(some, 5);
    wsgi_section_sort(one, 1);
    wsgi_section_sort(NULL, 0);
    for (i = 0; i < 5; i++)
        puts(some[i]);
    puts(one[0]);
    """
    assert asked(statements) == ["/srv/app/", "/srv/c/", "/srv/b/", "/srv/", "/", "/"]


# ---- Copies of variables -------------------------------------------------------------------

TABLES = """
/* A server's entry may be larger than ours. */
typedef struct entry {
    const char *key, *val;
    unsigned checksum;
} entry;

static wsgi_entry get(const void *entries, int i)
{
    const entry *e = (const entry *)entries + i;

    return (wsgi_entry){e->key, e->val};
}

static const char client[] = "192.0.2.1", shop[] = "shop:app", other[] = "other:app";
static const entry page[] = {
    {"REMOTE_ADDR", client, 0},
    {"mod_wsgi.application", shop, 0},
    {"COLOUR", other, 0},
    {"REDIRECT_HTTP_SHOP", shop, 0}};

static void show(const entry *entries, int count)
{
    wsgi_table mine = {entries, count, get}, theirs = {page, 4, get};
    int i, copies = wsgi_copies_count(&mine, &theirs);

    printf("%d:", copies);
    for (i = 0; i < count; i++)
        if (wsgi_copies_may_stay(&mine, i, &theirs, copies))
            printf(" %d", i);
    puts("");
}
"""


def test_what_a_sub_request_has_of_its_parent_goes_and_what_counts_not_stays(asked: Asked) -> None:
    statements = """
    const entry copied[] = {page[0], page[1], page[2]};

    show(copied, 3);
    """
    assert asked(statements, TABLES) == ["1: 2"]


def test_what_the_own_configuration_has_set_stays_even_if_it_is_the_same_again(
    asked: Asked,
) -> None:
    statements = """
    const char same[] = "shop:app";
    const entry other_value[] = {page[0], page[1], page[2], {"mod_wsgi.application", other, 0}};
    const entry other_memory[] = {page[0], page[1], page[2], {"MOD_WSGI.application", same, 0}};
    const entry same_memory[] = {page[0], page[1], page[2], page[1]};

    show(other_value, 4);
    show(other_memory, 4);
    show(same_memory, 4);
    """
    assert asked(statements, TABLES) == ["1: 2 3", "1: 2 3", "1: 2 3"]


def test_a_renamed_copy_is_a_copy(asked: Asked) -> None:
    statements = """
    const entry renamed[] = {page[0], {"REDIRECT_mod_wsgi.application", shop, 0}};
    const entry renamed_before[] = {page[0], {"HTTP_SHOP", shop, 0}};

    show(renamed, 2);
    show(renamed_before, 2);
    """
    assert asked(statements, TABLES) == ["1:", "1:"]


def test_a_copy_that_the_own_configuration_has_replaced_stays(asked: Asked) -> None:
    statements = """
    const entry replaced[] = {page[0], {"mod_wsgi.application", other, 0}};

    show(replaced, 2);
    """
    assert asked(statements, TABLES) == ["1: 1"]


def test_a_second_copy_is_no_configuration_of_its_own(asked: Asked) -> None:
    statements = """
    const entry twice[] = {page[0], page[1], page[0], page[1]};
    const entry and_own[] = {page[0], page[1], page[0], page[1], page[1]};

    show(twice, 4);
    show(and_own, 5);
    """
    assert asked(statements, TABLES) == ["2:", "2: 4"]


def test_a_table_without_the_clients_address_counts_as_one_copy(asked: Asked) -> None:
    statements = """
    const entry few[] = {page[1], page[2]};

    show(few, 2);
    show(few, 0);
    """
    assert asked(statements, TABLES) == ["1: 1", "1:"]


def test_a_setting_of_an_earlier_url_is_known_by_its_name(asked: Asked) -> None:
    cases = {
        'wsgi_is_renamed_setting("REDIRECT_mod_wsgi.reload")': "1",
        'wsgi_is_renamed_setting("redirect_REDIRECT_mod_wsgi.reload")': "1",
        'wsgi_is_renamed_setting("mod_wsgi.reload")': "0",
        'wsgi_is_renamed_setting("REDIRECT_URL")': "0",
    }
    assert asked(printed(list(cases))) == list(cases.values())


# ---- Headers -------------------------------------------------------------------------------


def test_a_header_with_the_variable_of_another_or_of_the_machine_is_unsafe(asked: Asked) -> None:
    cases = {
        'wsgi_header_is_unsafe("X-Forwarded-For")': "0",
        'wsgi_header_is_unsafe("DNT2")': "0",
        'wsgi_header_is_unsafe("X_Forwarded_For")': "1",
        'wsgi_header_is_unsafe("X.Forwarded")': "1",
        'wsgi_header_is_unsafe("Host ")': "1",
        'wsgi_header_is_unsafe("Caf\\xc3\\xa9")': "1",
        'wsgi_header_is_unsafe("proxy")': "1",
        'wsgi_header_is_unsafe("Proxy-Connection")': "0",
    }
    assert asked(printed(list(cases))) == list(cases.values())


def test_a_headers_name_becomes_a_variables_within_its_room(asked: Asked) -> None:
    statements = """
    char variable[sizeof WSGI_HEADER_FRONT + sizeof "X_real-ip2"];

    memset(variable, '!', sizeof variable);
    wsgi_header_to_variable("X_real-ip2", variable);
    puts(variable);
    printf("%c\\n", variable[sizeof variable - 1]);
    """
    assert asked(statements) == ["HTTP_X_REAL_IP2", "!"]


def test_a_length_is_digits_and_nothing_else(asked: Asked) -> None:
    cases = {
        "wsgi_header_is_length(NULL)": "1",
        'wsgi_header_is_length("0")': "1",
        'wsgi_header_is_length("1234567890")': "1",
        'wsgi_header_is_length("")': "0",
        'wsgi_header_is_length("+5")': "0",
        'wsgi_header_is_length("5 ")': "0",
        'wsgi_header_is_length("5, 5")': "0",
        'wsgi_header_is_length("0x10")': "0",
    }
    assert asked(printed(list(cases))) == list(cases.values())
