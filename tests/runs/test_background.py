"""Work beside training: in order, complete at the end, and never silent about what went wrong."""

import threading
import time

import pytest

from vae_jax.runs.process.background import PENDING, Background


def test_all_is_done_in_order_by_the_end():
    done = []
    with Background("test", needed=True) as beside:
        for index in range(3 * PENDING):
            beside(done.append, index)
    assert done == list(range(3 * PENDING))


def test_the_caller_goes_on_meanwhile_until_too_much_is_pending():
    gate, done = threading.Event(), []
    with Background("test", needed=True) as beside:
        beside(gate.wait)
        for index in range(PENDING - 1):
            beside(done.append, index)
        assert done == []
        threading.Timer(0.05, gate.set).start()
        beside(done.append, "last")  # waits for the gate
        assert gate.is_set()
    assert done == [*range(PENDING - 1), "last"]


def fail():
    raise OSError("disk full")


def test_an_error_is_raised_by_the_next_call_or_at_the_end():
    with pytest.raises(OSError, match="disk full"), Background("test", needed=True) as beside:
        beside(fail)
    with Background("test", needed=True) as beside:
        beside(fail)
        with pytest.raises(OSError, match="disk full"):
            beside.wait()


@pytest.mark.parametrize("needed", [True, False])
def test_a_block_that_fails_says_why_and_finishes_only_what_is_needed(needed):
    gate, done = threading.Event(), []
    with pytest.raises(ValueError, match="diverged"), Background("test", needed=needed) as beside:
        beside(gate.wait, 5)
        beside(done.append, 1)
        beside(fail)
        threading.Timer(0.05, gate.set).start()
        raise ValueError("diverged")
    assert done == ([1] if needed else [])


@pytest.mark.parametrize("needed", [True, False])
def test_what_has_begun_is_over_when_the_block_is_also_if_that_fails(needed):
    """It may write into a folder that another command may take next."""
    begun, done = threading.Event(), []

    def piece():
        begun.set()
        time.sleep(0.2)
        done.append(1)

    with pytest.raises(ValueError, match="diverged"), Background("test", needed=needed) as beside:
        beside(piece)
        begun.wait()
        raise ValueError("diverged")
    assert done == [1]
