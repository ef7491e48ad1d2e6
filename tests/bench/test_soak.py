"""A mixed load with reloads, resets and refusals: nothing grows, gets lost, or goes wrong."""

import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [FOLDER, os.path.join(os.path.dirname(FOLDER), "e2e")]

# pylint: disable=wrong-import-position
import soak  # noqa: E402
from support.scale import IS_SMALL  # noqa: E402


def test_a_mixed_load_with_reloads_grows_nothing_and_loses_nothing(monkeypatch):
    binary = os.path.join(FOLDER, "load_generator")
    if os.path.exists(binary):  # Bazel puts it beside this file
        monkeypatch.setenv("BENCH_LOAD", binary)
    arguments = ["0.45", "--rounds", "4"]
    if IS_SMALL:
        arguments = ["0.1", "--rounds", "2", "--tunnels", "20", "--rate", "20", "--no-memory"]
    soak.run(soak.parse(arguments))
