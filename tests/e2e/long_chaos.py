"""Everything at once, thirty runs of a thousand steps each.

Not part of CI for its time: `tools/test --long` runs it. test_chaos.py is the short one.
"""

import os

import pytest

from support.chaos import play

TIMES = int(os.environ.get("SALLYPORT_LONG_TIMES", "30"))


@pytest.mark.parametrize("turn", range(TIMES))
def test_a_thousand_steps(start, dns, tmp_path, pki, turn):
    play(start, dns, tmp_path, pki, "pipe" if turn % 2 else "disk", 1000)
