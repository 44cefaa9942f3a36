"""The consensus of more labels than memory should hold: time and peak memory, and that the result is that of memory.

    python -m benchmarks.consensus_scale [millions of items, default 1 4 16]

Three labels an item by sixty annotators, ten classes, with predictions; shards are made anew for every pass, which is
in the time (and told beside it). Each size runs in a process of its own. No peer has such a mode.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import labelaudit

SHARD_ITEMS, ANNOTATORS, CLASSES, EACH = 200_000, 60, 10, 3


def shards(items: int) -> Iterator[tuple[np.ndarray, ...]]:
    for first in range(0, items, SHARD_ITEMS):
        rng = np.random.default_rng(first)
        size = min(SHARD_ITEMS, items - first)
        truth = rng.integers(0, CLASSES, size)
        people = rng.integers(0, ANNOTATORS, EACH * size)
        right = rng.random(EACH * size) < 0.6 + 0.35 * people / ANNOTATORS
        labels = np.where(right, np.repeat(truth, EACH), rng.integers(0, CLASSES, EACH * size))
        pred_probs = rng.random((size, CLASSES), np.float32) ** 2
        pred_probs[np.arange(size), truth] += 1
        pred_probs /= pred_probs.sum(1, keepdims=True)
        yield np.repeat(np.arange(first, first + size), EACH), people, labels, pred_probs


def child(items: int) -> None:
    labelaudit.aggregate_labels_in_shards(lambda: shards(1_000), range(CLASSES))  # warm
    started = time.perf_counter()
    sum(len(shard[0]) for shard in shards(items))
    making = time.perf_counter() - started
    started = time.perf_counter()
    made = labelaudit.aggregate_labels_in_shards(lambda: shards(items), range(CLASSES))
    found = sum(len(part.items) for part in made.parts())
    seconds = time.perf_counter() - started
    assert found == items
    peak = 1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    print(json.dumps({"seconds": seconds, "making": making, "peak": peak}))


def check() -> float:
    """The share of items that get the same label in memory."""
    whole = [np.concatenate(column) for column in zip(*shards(400_000), strict=True)]
    known = labelaudit.aggregate_labels(*whole, range(CLASSES)).label
    made = labelaudit.aggregate_labels_in_shards(lambda: shards(400_000), range(CLASSES))
    same = float((np.concatenate([part.label for part in made.parts()]) == known).mean())
    assert same > 0.999, f"only {same:.2%} of the labels are those of aggregate_labels"
    return same


def main() -> None:
    table = Table("items", "labels", "s", "of that making shards", "items/s", "peak, MB")
    for million in [int(argument) for argument in sys.argv[1:]] or [1, 4, 16]:
        command = [sys.executable, "-m", "benchmarks.consensus_scale", "child", str(million * 1_000_000)]
        measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        cells = (
            f"{measured['seconds']:.1f}",
            f"{6 * measured['making']:.1f}",
            f"{million * 1e6 / measured['seconds']:,.0f}",
        )
        table.add_row(f"{million},000,000", f"{EACH * million},000,000", *cells, f"{measured['peak'] / 1e6:,.0f}")
    Console(width=110).print(table)
    print(f"the same label as in memory: {check():.3%} of 400,000 items")


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(int(sys.argv[2]))
    else:
        main()
