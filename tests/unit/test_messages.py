"""Each line of the module has a code, and docs/messages.md explains each code."""

import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from command import TOP

PAGE = TOP / "docs" / "messages.md"
GONE = "\n## Codes that are no longer used\n"
SOURCES = sorted(
    path
    for folder in ("core", "adapters", "spawner")
    for path in (TOP / folder).rglob("*.c")
    if path.parent.name != "bare"
)

# What writes a line, or passes its text on.
WRITERS = (
    "wsgi_log",
    "wsgi_log_say",
    "wsgi_errors_report",
    "wsgi_call_report",
    "wsgi_obey_complain",
    "ap_log_error",
    "ap_log_rerror",
    "complain",
    "say",
    "fputs",
    "perror",
)
CALL = re.compile(rf"\b({'|'.join(WRITERS)})\(")
LITERAL = r'"(?:[^"\\]|\\.)*"'
# A code, then the text: literals and macros, one behind the other.
TEXT = re.compile(rf'"(?:mod_wsgi: )?MW\d{{4}}(?:{LITERAL[1:]})(?:\s*(?:{LITERAL}|[A-Z_]+\b))*')
CODE = re.compile(r"\bMW\d{4}\b")
CONVERSION = re.compile(r"%(?:[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:ll|l|z|h)?[a-z%])?")

# Functions that pass on a text whose maker has given it a code.
PASSED_ON = {
    ("wsgi_errors_report", "what"),
    ("wsgi_log", '"%s", what'),  # errors.c
    ("wsgi_log", '"%s: process %u of %s%s%s %s", code'),
    ("ap_log_error", '"%s", line'),
    ("ap_log_rerror", '"%s", line'),
}

LEVELS = {
    "WSGI_INFO": "info",
    "APLOG_INFO": "info",
    "WSGI_WARNING": "warning",
    "WSGI_LOG_WARNING": "warning",
    "WSGI_LOG_NOTICE": "notice",
    "APLOG_EMERG": "emerg",
}


class Call(NamedTuple):
    where: str
    writer: str
    arguments: str

    @property
    def level(self) -> str:
        levels = [LEVELS[word] for word in re.findall(r"\w+", self.arguments) if word in LEVELS]
        return levels[0] if levels else "error"


def end_of_call(text: str, start: int) -> int:
    """The place of the bracket that closes the one at start."""
    depth = 0
    for match in re.compile(rf"{LITERAL}|[()]").finditer(text, start):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    raise AssertionError("a call without an end")


def calls_of(path: Path) -> list[Call]:
    text = path.read_text()
    return [
        Call(
            f"{path.relative_to(TOP)}:{text.count(chr(10), 0, match.start()) + 1}",
            match[1],
            " ".join(text[match.end() : end_of_call(text, match.end() - 1)].split()),
        )
        for match in CALL.finditer(text)
        if not re.match(r"(?:[a-z]+ )*void ", text[text.rfind("\n", 0, match.start()) + 1 :])
    ]


CALLS = [call for path in SOURCES for call in calls_of(path)]


def texts_of(path: Path) -> dict[str, list[str]]:
    """code -> its texts in this file, a macro as %s."""
    found = defaultdict(list)
    for match in TEXT.finditer(path.read_text()):
        parts = re.findall(rf"{LITERAL}|[A-Z_]+", match[0])
        text = "".join(part[1:-1] if part[0] == '"' else "%s" for part in parts)
        text = text.replace("%%s", "%s")  # of "%" APR_OFF_T_FMT
        text = text.removeprefix("mod_wsgi: ").removesuffix(r"\n").replace(r"\"", '"')
        found[text[:6]].append(text)
    return found


def all_texts() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in SOURCES:
        for code, texts in texts_of(path).items():
            found[code] += texts
    return found


TEXTS = all_texts()


def explained() -> dict[str, str]:
    """code -> its section of the page."""
    parts = re.split(r"^### (MW\d{4})$", PAGE.read_text().split(GONE)[0], flags=re.MULTILINE)
    assert len(set(parts[1::2])) == len(parts[1::2]), "a code is there twice"
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SECTIONS = explained()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_a_line_for_the_log_begins_with_a_code(call: Call) -> None:
    is_passed_on = any(
        call.writer == writer and (rest in call.arguments) for writer, rest in PASSED_ON
    )
    if not is_passed_on:
        assert re.search(r'"(?:mod_wsgi: )?MW\d{4}(?:: |")', call.arguments), call.arguments


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_a_code_means_one_message(code: str) -> None:
    shortest = min(TEXTS[code], key=len)
    others = [text for text in TEXTS[code] if not text.startswith(shortest)]
    assert others == [], f"{code} also means: {shortest}"


def test_the_page_has_the_codes_of_the_sources() -> None:
    assert sorted(SECTIONS) == sorted(TEXTS)


def test_no_code_is_used_again() -> None:
    gone = CODE.findall(PAGE.read_text().split(GONE)[1])
    assert set(gone).isdisjoint(TEXTS)


def test_the_page_has_the_codes_in_their_order() -> None:
    assert list(SECTIONS) == sorted(SECTIONS)


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_the_page_has_the_text_and_what_to_do(code: str) -> None:
    section = SECTIONS[code]
    shown = re.search(rf"^    ({code}: .*)$", section, re.MULTILINE)
    assert shown is not None, "the text is missing"
    text = min(TEXTS[code], key=len)
    parts = [re.escape(part) for part in CONVERSION.split(text) if part not in (code, "")]
    assert re.search(".*".join(parts), shown[1]), f"{shown[1]} is not: {text}"
    assert "**Remedy:** " in section


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_the_page_has_the_level(call: Call) -> None:
    for code in CODE.findall(call.arguments):
        assert f"\nLevel {call.level}. " in SECTIONS[code]
