"""The first signal asks, the second one interrupts."""

import os
import signal
import threading

import pytest

from train import interrupts

finished: list[signal.Signals] = []


def work(number: signal.Signals, times: int) -> None:
    """Work during which a signal comes so many times."""
    finished.clear()
    with interrupts.deferred() as asked:
        for _ in range(times):
            os.kill(os.getpid(), number)
            assert asked.wait(10)
        if times > 1:
            threading.Event().wait(10)
        finished.append(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_the_first_signal_waits_for_the_end_and_the_second_does_not(number: signal.Signals, times: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        work(number, times)
    assert finished == ([number] if times == 1 else [])
    assert signal.getsignal(number) == before


def test_without_a_signal_nothing_is_interrupted() -> None:
    work(signal.SIGTERM, 0)
    assert finished == [signal.SIGTERM]


def test_another_thread_gets_no_signals() -> None:
    thread = threading.Thread(target=work, args=(signal.SIGTERM, 0))
    before = signal.getsignal(signal.SIGTERM)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == before
    assert finished == [signal.SIGTERM]
