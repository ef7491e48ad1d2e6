"""Everything at once, drawn by a seed: whatever goes on, each request has its records, they name what was in
force, and nothing is left. Always the same steps here; long_chaos.py draws others in each run."""

import pytest

from support.chaos import play
from support.scale import count

SEED = 28


@pytest.mark.parametrize("audit", ["disk", "pipe"])
def test_whatever_goes_on_nothing_is_lost_and_nothing_is_left(start, dns, tmp_path, pki, audit):
    play(start, dns, tmp_path, pki, audit, count(150, 60), SEED)
