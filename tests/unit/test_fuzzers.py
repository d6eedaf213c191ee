"""What is read from those who may be hostile, fuzzed: tests/fuzz.

A fault of memory fails the test. So does a rule that does not hold, such as
that no byte follows a response without a body.
"""

import os
from pathlib import Path

import pytest

from tests.harness import fuzzing

SECONDS = 20 if os.environ.get("CI") else 5


@pytest.mark.parametrize("name", sorted(fuzzing.sources()))
def test_nothing_that_comes_breaks_a_rule(name: str, tmp_path: Path) -> None:
    why = fuzzing.missing()
    if why:
        pytest.skip(why)
    outcome = fuzzing.run(name, tmp_path, SECONDS)
    assert not outcome.crashed, outcome.text
    assert outcome.executions > len(fuzzing.seeds()[name]), outcome.text
