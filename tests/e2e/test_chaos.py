"""Everything at once, drawn by a seed: whatever goes on, each request has its records, they name what was in
force, and nothing is left. SALLYPORT_CHAOS_SEED=N runs one again that failed."""

import pytest

from support.chaos import play
from support.scale import count


@pytest.mark.parametrize("audit", ["disk", "pipe"])
def test_whatever_goes_on_nothing_is_lost_and_nothing_is_left(start, dns, tmp_path, pki, audit):
    play(start, dns, tmp_path, pki, audit, count(150, 60))
