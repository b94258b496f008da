"""Which process a worker was: on its own machine, its end is noticed at once."""

import os
import subprocess
import sys

from blocks.database.pipeline.processes import has_ended, this_process

_NAME = "from blocks.database.pipeline.processes import this_process; print(this_process(), flush=True); input()"


def test_a_process_lives_until_it_ends_also_before_its_parent_asks_how() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert name != this_process()
        assert not has_ended(name)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert has_ended(name)
    assert has_ended(name)
    assert not has_ended(this_process())


def test_a_process_that_got_the_id_of_an_earlier_one_is_another() -> None:
    assert has_ended(this_process() + "1")


def test_nothing_is_known_of_another_machine_and_of_a_process_without_a_name() -> None:
    machine, _, process = this_process().rpartition("/")
    assert not has_ended(f"another-{machine}/{process}")
    assert not has_ended("")
