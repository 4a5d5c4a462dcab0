"""What a process forks while another of its threads is at work."""

import os
import threading
import warnings

import pytest

import framework as fw
from framework.autograd import anomaly, calls, deferred, functional

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.mark.parametrize("lock", [anomaly._lock, calls._lock, deferred.lock, functional._accumulating, fw.random._lock])
def test_a_child_does_not_wait_for_a_thread_of_its_parents(lock):
    held = threading.Event()

    def hold():
        with lock:
            held.set()
            threading.Event().wait(0.1)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os._exit(0 if lock.acquire(timeout=5) else 1)
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert lock.acquire(timeout=5)
    lock.release()
