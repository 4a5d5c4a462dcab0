"""Calling a function in several threads that Python switches between as often as it can."""

import sys
from threading import Thread


def at_once(work, count=4):
    """Call ``work()`` in ``count`` threads, and wait for all."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [Thread(target=work) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
