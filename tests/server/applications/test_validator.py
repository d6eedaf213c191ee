"""wsgiref.validate around every application of tests/apps that keeps the PEP's rules.

The validator stands between the server and the application and raises an AssertionError about
whichever of them breaks a rule. Each application has to answer as it does without it.
"""

import pytest

from tests.harness.config import APPS, applications
from tests.harness.site import Site

# Modules whose applications are no subject for the validator, and why.
OTHER_MODULES = {
    **dict.fromkeys(("django_site", "flask_site"), "frameworks, which are tested by themselves"),
    **dict.fromkeys(("real_cherrypy", "real_django", "real_turbogears"), "frameworks"),
    **dict.fromkeys(("failing", "misuse", "scripted"), "break the rules, on purpose"),
    **dict.fromkeys(("called", "logs", "states"), "show the server's state, not its protocol"),
    **dict.fromkeys(("facts", "surroundings"), "show what surrounds them, not the protocol"),
    **dict.fromkeys(("halves", "texts"), "ask the streams for more than the PEP promises"),
    **dict.fromkeys(("dying", "versions"), "show what processes do, or end them"),
    "foreign": "hold up what the server does, with code of their own",
    "keeping": "show what is kept of a request",
    **dict.fromkeys(("endings", "ensures", "forking", "parallel"), "end or load processes"),
    "processed": "are asked by frames only: they wait, break off or fork",
    "programs": "starts processes",
    "soaked": "are compared by their clients, byte for byte: tests/soak",
    "stages": "are refused heads, and break off",
    "validated": "are inside the validator already",
}


# Single applications of the other modules: what the validator is stricter in than the PEP, ...
SIZE = "the validator wants read() to have a size, although PEP 3333 lets it be left out"
LINE = "on Python 2.7 the validator's readline() takes no size"
NEXT = "the validator's wsgi.input can be iterated over, but has no next()"
EXACT = "the validator wants exact types, where PEP 3333 is content with what is a str"
TYPE = "the validator wants a Content-Type in every head that may have a body"
# ... what the PEP forbids, and what cannot be asked as the others are.
BROKEN = "breaks a rule on purpose, breaks off, or tries what start_response refuses"
WRITES = "writes to the error log, for the tests that expect it"
LOADS = "keeps a processor busy for long, or makes processes"
TOLD = "goes on only when its test says so, or until its client has gone"

REASONS = {
    SIZE: [
        *("bodies.read_all", "bodies.read_nothing", "bodies.read_outside", "bodies.mixed"),
        *("bodies.read_past_the_end", "bodies.error_name", "pages.reads", "pages.redirected"),
        *("bodies.reads_while_it_answers", "bodies.reads_when_closed"),
        *("bodies.answers_for_itself", "bodies.writes_without_reading"),
        *("bodies.tells_what_it_reads", "bodies.read_by_length"),
        *("expected.reads_after_its_first_block", "expected.reads_after_its_last_byte"),
        *("pieces.then_reads", "sources.none_for_size", "threads.reads"),
    ],
    LINE: ["bodies.lines_of_four", "bodies.mixed_often"],
    NEXT: ["kinds.of_reads"],
    EXACT: ["headings.of_subclasses"],
    TYPE: ["early.redirects", "shapes.doubled_length"],
    BROKEN: [
        *("bodies.has_a_bug", "bodies.raises_another_error", "bodies.wraps_the_error"),
        *("bodies.raises_from_the_error", "bodies.reads_in_a_thread"),
        *("closings.refused", "closings.without_its_attribute", "expected.fails", "files.text"),
        *("headings.comes_back", "headings.promises", "headings.refuses", "kinds.of_errors"),
        *("headings.starts_with", "headings.starts_again_with", "kinds.of_new_ones"),
        *("pages.breaks", "pages.fails", "pieces.then_fails", "pieces.writes_when_dropped"),
        *("pages.reads_then_fails", "respond.less_than_promised"),
        *("respond.writes_more_than_promised", "shapes.a_string", "shapes.doubled_type"),
        *("shapes.fails_after_an_empty_one", "shapes.fails_before_the_first"),
        *("shapes.fails_in_the_middle", "shapes.fails_twice", "shapes.nothing_of_ten"),
        *("shapes.short_list", "shapes.short_written", "shapes.starts_too_late"),
        *("shapes.writes_before_it_starts", "sources.odd_sizes", "statuses.refused"),
        *("statuses.bytes_refused", "statuses.hop_by_hop", "streams.close_raises"),
        *("streams.closes_after_error", "threads.starts_from_many", "wrappers.too_short"),
    ],
    WRITES: ["pieces.and_logs", "threads.logs_from_many"],
    LOADS: ["pieces.forks", "pieces.then_keeps_the_lock"],
    TOLD: [
        *("bodies.read_when_told", "closings.endless", "closings.slowly", "early.closes_late"),
        "files.shrinking",
        *("pieces.endless", "pieces.now_and_then", "pieces.then_waits"),
        *("streams.waits_between_blocks", "streams.waits_after_write"),
        *("streams.waits_before_the_first", "streams.endless", "streams.endless_writes"),
        *(
            "streams.does_its_work_slowly",
            "streams.fails_when_left",
            "shapes.writes_while_waiting",
        ),
        *("sources.flushes_errors", "threads.reads_after_its_end"),
    ],
}
LEFT_OUT = {name for names in REASONS.values() for name in names}

# These tell of the URL that they were asked at, of the objects that the validator wraps, or of
# what other requests and threads did before.
SAY_MORE = {
    *("environs.as_json", "environs.mount", "kinds.of_callables", "kinds.of_native_functions"),
    *("bodies.use_kept", "threads.writes_from_many", "pages.where", "kinds.of_variables"),
}

VALIDATED = [
    f"{module}.{name}"
    for module, name in applications()
    if module not in OTHER_MODULES and f"{module}.{name}" not in LEFT_OUT
]

# What an application has to be asked with, if it is not its own name.
PATHS = {"closings.ending": "/well", "headings.of_many_lines": "/3"}
QUERIES = {
    "pieces.many": "300",
    "pieces.of_a_length": "0",
    "streams.pieces": "300",
    "respond.big": "2",
    "respond.status": "404%20Gone%20fishing",
    "shapes.bodiless": "204",
    "shapes.cased_headers": "title",
    "statuses.hop_by_hop": "te",
    "pages.includes": "/hello/named",
}
BODY = b"first\nsecond line\n\nlast without end"
METHODS = ["GET", "POST", "HEAD"]


@pytest.mark.parametrize("name", VALIDATED)
def test_the_validator_finds_nothing_wrong_with(site: Site, name: str) -> None:
    for method in METHODS:
        path = "/" + name.replace(".", "/") + PATHS.get(name, "")
        query = QUERIES.get(name, f"valid-{name}-{method}")
        body = BODY if method == "POST" else b""
        alone = site.ask(f"{path}?{query}", method=method, body=body)
        judged = site.ask(f"/validated/anyone{path}?{query}", method=method, body=body)
        assert judged.status == alone.status, method
        if name not in SAY_MORE:
            assert judged.body == alone.body, method
        assert not [line for line in site.watch.lines() if "AssertionError" in line], method


def test_every_application_that_is_left_out_is_there() -> None:
    there = {f"{module}.{name}" for module, name in applications()}
    assert not LEFT_OUT - there
    assert not SAY_MORE - there
    assert not set(OTHER_MODULES) - {path.stem for path in APPS.glob("*.py")}
