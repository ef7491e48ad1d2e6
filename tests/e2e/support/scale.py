"""How big and how patient a run is.

Sanitizer builds run several times slower: SALLYPORT_E2E_SCALE=small cuts the counts and stretches
the deadlines. A deadline here only says when a test gives up; none is ever waited for in full.
"""

import os
import threading
import time

IS_SMALL = os.environ.get("SALLYPORT_E2E_SCALE") == "small"

# Seconds until a test stops waiting for something that should have happened at once.
PATIENCE = 60.0 if IS_SMALL else 20.0


def count(full, small):
    """`full` of something, or `small` under a sanitizer."""
    return small if IS_SMALL else full


def eventually(probe, what, patience=PATIENCE):
    """Calls `probe` until it gives something true, and returns that. Fails after `patience`."""
    deadline = time.monotonic() + patience
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up waiting for {what() if callable(what) else what}")
        time.sleep(0.005)


def spread(total, work, threads=8):
    """Runs work(number) for each number below `total` on some threads; raises the first failure."""
    problems = []

    def run(first):
        try:
            for number in range(first, total, threads):
                work(number)
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(problem)

    running = [threading.Thread(target=run, args=(first,)) for first in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if problems:
        raise problems[0]
