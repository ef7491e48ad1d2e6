"""Everything at once, drawn by a seed: whatever goes on, each request has its records, they name what was in
force, and nothing is left. SALLYPORT_CHAOS_SEED=N runs one again that failed."""

import pytest

from support.chaos import Chaos, seed_of_run
from support.scale import count


@pytest.mark.parametrize("audit", ["disk", "pipe"])
def test_whatever_goes_on_nothing_is_lost_and_nothing_is_left(start, dns, tmp_path, pki, audit):
    seed = seed_of_run()
    chaos = Chaos(start, dns, tmp_path, pki, seed, audit)
    try:
        chaos.play(count(150, 60))
    finally:
        print(f"SALLYPORT_CHAOS_SEED={seed}: {' '.join(chaos.steps)}")
