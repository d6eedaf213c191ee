"""What ./dev soak takes for a fault, and what it excuses."""

from dataclasses import replace
from pathlib import Path

from tests.apps.patterns import pattern
from tests.harness.site import Reply
from tests.soak.__main__ import parse
from tests.soak.census import PROCESSES, SPAWNER, Census, Count
from tests.soak.editing import Edits, body
from tests.soak.soak import Outcome, is_excused
from tests.soak.traffic import Asked, compare

ASKED = Asked(kind="uploads", began=10, ended=12, fault="lost: 502", clock="15:00:00")


def census(descriptors: int, processes: int = 2, zombies: int = 0) -> Census:
    spawner = Count(processes=1, descriptors=descriptors, most_memory=1000)
    spawned = Count(processes=processes, descriptors=10, most_memory=1000)
    return Census(counts={SPAWNER: spawner, PROCESSES: spawned}, zombies=zombies)


def outcome(
    *,
    cut: list[Asked] | None = None,
    lost: list[Asked] | None = None,
    end: Census | None = None,
    last_edit_is_served: bool = True,
) -> Outcome:
    return Outcome(
        seconds=1,
        requests={},
        done={},
        cut=cut or [],
        lost=lost or [],
        warm=census(20),
        end=end or census(20),
        last_edit_is_served=last_edit_is_served,
    )


def reply(status: int, answer: bytes) -> Reply:
    return Reply(status=status, reason="", headers=(), body=answer)


def test_an_answer_that_is_as_it_has_to_be_is_no_fault() -> None:
    assert compare(reply(200, pattern("a", 100)), pattern("a", 100)) == ""
    assert list(outcome().faults()) == []


def test_an_answer_to_another_request_is_wrong() -> None:
    assert compare(reply(200, pattern("b", 100)), pattern("a", 100)).startswith("wrong")


def test_a_short_answer_is_wrong() -> None:
    assert compare(reply(200, pattern("a", 99)), pattern("a", 100)).startswith("wrong")


def test_another_status_is_a_loss() -> None:
    assert compare(reply(503, b""), b"") == "lost: 503"


def test_a_kill_excuses_only_what_was_under_way() -> None:
    assert is_excused(ASKED, [(11, 11.1)])
    assert not is_excused(ASKED, [(9.8, 9.9), (12.1, 12.2)])


def test_a_kill_takes_a_moment() -> None:
    """First a process is looked for, which takes long where there are many."""
    assert is_excused(ASKED, [(9, 10.1)])
    assert is_excused(ASKED, [(11.9, 13)])


def test_a_loss_that_no_kill_excuses_is_a_fault() -> None:
    assert list(outcome(lost=[ASKED]).faults()) == ["uploads: lost: 502 after 2.0 s, at 15:00:00"]
    assert list(outcome(cut=[ASKED]).faults()) == []


def test_no_kill_excuses_a_wrong_answer() -> None:
    wrong = replace(ASKED, fault="wrong: 1 bytes of 2")
    assert list(outcome(cut=[wrong]).faults()) == [
        "uploads: wrong: 1 bytes of 2 after 2.0 s, at 15:00:00"
    ]


def test_zombies_and_descriptors_that_stay_are_faults() -> None:
    assert list(outcome(end=census(20, zombies=1)).faults()) == ["1 zombies"]
    assert list(outcome(end=census(40)).faults()) == [
        "the spawner: 14 descriptors became 34",
    ]


def test_three_descriptors_for_each_process_are_no_fault() -> None:
    assert list(outcome(end=census(20 + 3 * 10, processes=12)).faults()) == []


def test_an_edit_that_is_not_served_is_a_fault() -> None:
    assert list(outcome(last_edit_is_served=False).faults()) == ["the last edit is not served"]


def test_only_what_was_written_is_an_edit(tmp_path: Path) -> None:
    edits = Edits(path=tmp_path / "edited.py")
    edits.edit()
    assert edits.is_one(body(0))
    assert edits.is_one(body(1))
    assert not edits.is_one(body(1)[:-1])
    assert not edits.is_one(body(5))
    assert edits.is_last(body(1))
    assert not edits.is_last(body(0))


def test_it_takes_the_options_that_choose() -> None:
    chosen = parse(["--apache", "2.4", "--python", "3.11", "--mpm", "event", "--mode", "embedded"])
    assert (chosen.apache, chosen.python) == (["2.4"], ["3.11"])
    assert (chosen.mpm, chosen.mode) == (["event"], ["embedded"])
