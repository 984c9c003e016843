import os
import signal
import threading

import pytest

from yoto.training.signals import STOPPING, StopRequest


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_becomes_a_request_and_handlers_are_restored(number):
    before = [signal.getsignal(n) for n in STOPPING]
    with StopRequest() as request:
        assert request.signal is None
        os.kill(os.getpid(), number)
        assert request.signal == number
    assert [signal.getsignal(n) for n in STOPPING] == before


def test_a_second_ctrl_c_acts_at_once():
    with StopRequest() as request:
        os.kill(os.getpid(), signal.SIGINT)
        assert request.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_install_nothing():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def body():
        with StopRequest() as request:
            seen.append((signal.getsignal(signal.SIGINT), request.signal))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [(before, None)]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="POSIX signals")
def test_a_hangup_that_is_ignored_stays_so():
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with StopRequest() as request:
            os.kill(os.getpid(), signal.SIGHUP)
            assert request.signal is None
    finally:
        signal.signal(signal.SIGHUP, previous)
