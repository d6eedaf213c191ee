"""./dev bench faults: what it says of the answers that clients got."""

from collections import Counter
from pathlib import Path

from bench.faults.__main__ import parse, row
from bench.faults.clients import Answer, Answers, counted
from bench.faults.faults import FAULTS
from bench.faults.peers import PEERS, Started

PEER = Started(port=1, path="/", apache=1, folder=Path("/nonexistent"), manager=1, workers=list)


def test_an_answer_is_its_status_or_why_there_is_none() -> None:
    assert str(Answer(status=200, seconds=0.04)) == "200 after 0.0 s"
    assert str(Answer(status=0, seconds=30, word="no answer")) == "no answer after 30.0 s"


def test_only_what_is_not_200_is_lost() -> None:
    answers = Answers(peer=PEER)
    answers.got += [Answer(status=200, seconds=2), Answer(status=503, seconds=1)]
    answers.got += [Answer(status=0, seconds=1, word="cut")] * 2
    assert str(answers) == "1 (503) + 2 (cut) lost of 4, slowest 2.0 s"


def test_nothing_lost_is_said_as_a_number() -> None:
    assert counted(Counter()) == "0"


def test_a_row_is_one_of_markdown() -> None:
    assert row(["a", "b"]) == "| a | b |"


def test_all_is_measured_unless_chosen() -> None:
    assert parse([]).only == list(FAULTS)
    assert parse([]).peers == list(PEERS)
    assert parse(["--only", "rest", "--peers", "fpm"]).only == ["rest"]


def test_a_server_that_has_started_no_application_has_counted_none() -> None:
    assert PEER.starts() == 0
