"""The faults: each is done to a fresh server, and says in a few words what clients got."""

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread

from bench.faults.clients import Answers, ask, at_once, counted, echoed, under_load
from bench.faults.peers import Ground, Start, Started, Wish

KILLS = 20
LONG = "sleep=6"
PLAIN = Wish()
HOMELESS = "wsgi-bench-homeless"
TWENTY_MEGABYTES = bytes(range(250)) * 80_000
TOLD = re.compile(r"signal (?:9|Killed|SIGKILL)|SIGKILL|signal 9")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row of the table."""

    title: str
    measure: Callable[[Started], str]
    wish: Wish = PLAIN
    homeless: bool = False


def kill(pids: list[int], number: signal.Signals = signal.SIGKILL) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def killed_at_rest(peer: Started) -> str:
    """All processes are killed, and a client asks at once."""
    answers = Answers(peer=peer)
    for _ in range(KILLS):
        ask(peer)
        kill(peer.workers())
        answers.add("")
    return str(answers)


def killed_before_it_reads(peer: Started) -> str:
    """Stopped processes read nothing. The request waits when they are killed."""
    answers = Answers(peer=peer)
    for _ in range(5):
        ask(peer)
        stopped = peer.workers()
        kill(stopped, signal.SIGSTOP)
        client = Thread(target=answers.add, args=[""])
        client.start()
        time.sleep(0.5)
        kill(stopped)
        client.join()
    return str(answers)


def killed_in_a_request(peer: Started) -> str:
    answer = ask(peer, "before")
    time.sleep(1)
    told = "the log has the signal" if TOLD.search(peer.log()) else "the log has no signal"
    return f"{answer}; {told}"


def killed_behind_the_head(peer: Started) -> str:
    answer = ask(peer, "after")
    return "a short answer that looks whole" if answer.status else "the client sees the cut"


def restarted(number: signal.Signals) -> Callable[[Started], str]:
    def measure(peer: Started) -> str:
        """Two restarts under load, the first with a request of six seconds under way."""
        ask(peer)
        long = Answers(peer=peer)
        with under_load(peer) as answers:
            client = Thread(target=long.add, args=[LONG])
            client.start()
            time.sleep(1)
            os.kill(peer.apache, number)
            client.join()
            os.kill(peer.apache, number)
            time.sleep(3)
        return f"the long one: {long.got[0]}; others: {answers}"

    return measure


def manager_killed(peer: Started) -> str:
    """Then the processes are killed, too. Somebody has to start others."""
    ask(peer)
    with under_load(peer, 5) as answers:
        time.sleep(0.5)
        kill([peer.manager])
        time.sleep(3)
    kill(peer.workers())
    time.sleep(0.5)
    return f"{answers}; when processes are killed then: {ask(peer, patience=10)}"


def answered(peer: Started) -> str:
    """The first request, and the second."""
    return f"{ask(peer)}; then {ask(peer)}"


def crashing(peer: Started) -> str:
    """Each client asks again half a second after its answer."""
    answers, end = Answers(peer=peer), time.monotonic() + 10
    while time.monotonic() < end:
        answers.add("")
        time.sleep(0.5)
    return f"{answers}; {peer.starts()} starts in 10 s"


def filled(peer: Started) -> str:
    """3 GB in one request, beside one of six seconds."""
    ask(peer)
    beside = Answers(peer=peer)
    client = Thread(target=beside.add, args=[LONG])
    client.start()
    time.sleep(0.5)
    answer = ask(peer, "hog=3000")
    client.join()
    return f"{answer}; beside it: {beside.got[0]}; then {ask(peer)}"


def hung(peer: Started) -> str:
    """A request that never ends, with a bound of three seconds."""
    ask(peer)
    return f"{ask(peer, 'sleep=1000')}; then {ask(peer)}"


def queued(peer: Started) -> str:
    """One process with one thread is busy for 20 s. A hundred clients wait for ten."""
    ask(peer)
    busy = Thread(target=ask, args=[peer, "sleep=20", 25])
    busy.start()
    time.sleep(0.5)
    answers = at_once(peer, "", 100, 10)
    busy.join()
    refused = [answer.seconds for answer in answers.got if answer.status]
    at_first = f", refused within {max(refused):.1f} s" if refused else ""
    return f"{counted(Counter(answer.name for answer in answers.got))}{at_first}"


def broken(peer: Started) -> str:
    answers = [ask(peer) for _ in range(3)]
    names = counted(Counter(answer.name for answer in answers))
    told = re.search("no_such_module|no_such_file", peer.log())
    return f"{names}; the log {'names it' if told else 'does not name it'}"


def both_ways(peer: Started) -> str:
    return str(echoed(peer, TWENTY_MEGABYTES))


FAULTS = {
    "rest": Fault(title=f"all processes killed at rest, {KILLS} times", measure=killed_at_rest),
    "unread": Fault(
        title="killed with a request that is not read, 5 times", measure=killed_before_it_reads
    ),
    "request": Fault(title="killed in the request", measure=killed_in_a_request),
    "head": Fault(title="killed behind the head", measure=killed_behind_the_head),
    "graceful": Fault(title="2 graceful restarts", measure=restarted(signal.SIGUSR1)),
    "hard": Fault(title="2 hard restarts", measure=restarted(signal.SIGHUP)),
    "manager": Fault(title="what starts processes is killed", measure=manager_killed),
    "homeless": Fault(title="a user without a home", measure=answered, homeless=True),
    "crashing": Fault(
        title="each process dies while it loads",
        measure=crashing,
        wish=Wish(application="crashing"),
    ),
    "memory": Fault(
        title="3 GB in a request, bound 200 MB", measure=filled, wish=Wish(memory=200, processes=1)
    ),
    "hung": Fault(title="a request hangs, bound 3 s", measure=hung, wish=Wish(timeout=3)),
    "queue": Fault(
        title="100 wait for one thread", measure=queued, wish=Wish(processes=1, threads=1)
    ),
    "import": Fault(
        title="the application does not import",
        measure=broken,
        wish=Wish(application="broken"),
    ),
    "bytes": Fault(title="20 MB both ways at once", measure=both_ways),
}


def measured(fault: Fault, ground: Ground, start: Start) -> str:
    wish = fault.wish
    with homeless_user(fault.homeless) as user:
        if user:
            wish = Wish(user=user)
        with start(ground, wish) as peer:
            return fault.measure(peer)


@contextmanager
def homeless_user(wanted: bool) -> Iterator[str]:  # noqa: FBT001
    """The name of an account whose home does not exist."""
    if not wanted:
        yield ""
        return
    subprocess.run(["useradd", "-M", "-d", "/nonexistent", HOMELESS], check=True)
    try:
        yield HOMELESS
    finally:
        subprocess.run(["userdel", "-f", HOMELESS], check=True, capture_output=True)
