"""Speed and memory of staging (digest, parsing process, strict checks, rejects, Parquet) beside pandas' plain readers.

    python -m benchmarks.reading_speed [ROWS]

In one run, on the same files: CSV against `pandas.read_csv` (C engine, types given), JSON Lines against
`pandas.read_json(lines=True)`. What was staged is compared with what pandas read, cell by cell. The best of ROUNDS is
taken of each, in turn. Memory is that of a process of its own that stages a file, and of the one in it that parses.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

from labelaudit.contracts.model import Contract
from labelaudit.receive import delivering, manifests
from labelaudit.stage import staging
from labelaudit.storage.opening import open_store
from labelaudit.storage.parquet import read_table

ROUNDS = 5
TYPES = {"item": "str", "annotator": "str", "label": "str", "seconds": "float64"}
LABELS = ["cat", "dog", "horse, wild", "bird"]
CONTRACT = Contract(
    customer="acme",
    dataset="pets",
    task="classification",
    classes=tuple(LABELS),
    columns={"item": {}, "annotator": {}, "label": {}, "seconds": {"type": "number"}},
    vendors={"csv": {"format": "csv"}, "jsonl": {"format": "jsonl"}},
    predictions={"source": "none"},
)


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'file':26}{'MB':>8}{'pandas':>10}{'staging':>10}{'ratio':>8}")
        for kind, quoted in (("csv", False), ("csv", True), ("jsonl", False)):
            path = _file(folder, kind, rows, quoted)
            theirs, ours = _measured(folder, path, kind)
            what = f"{kind}{', a quarter quoted' if quoted else ''}, {rows:,}"
            megabytes = path.stat().st_size / 1e6
            print(f"{what:26}{megabytes:8.1f}{theirs:9.2f}s{ours:9.2f}s{theirs / ours:8.2f}", flush=True)
        print("\npeak memory, MB: the process that stages, and the one that parses")
        for kind in ("csv", "jsonl"):
            for count in (rows // 10, rows, 5 * rows):
                path = _file(folder, kind, count, quoted=True)
                ours, parser = _memory(folder, path, kind)
                print(
                    f"{kind}, {count:>10,} rows, {path.stat().st_size / 1e6:7.1f} MB: {ours:6.0f} and {parser:6.0f}",
                    flush=True,
                )
                path.unlink()


def _file(folder: Path, kind: str, rows: int, quoted: bool) -> Path:
    rng = np.random.default_rng(0)
    labels = LABELS if quoted else ["cat", "dog", "horse", "bird"]
    frame = pd.DataFrame(
        {
            "item": [f"img-{number:08}" for number in range(rows)],
            "annotator": [f"worker-{number:03}" for number in rng.integers(0, 200, rows)],
            "label": np.array(labels)[rng.integers(0, 4, rows)],
            "seconds": rng.gamma(2, 5, rows).round(2),
        }
    )
    path = folder / f"labels-{rows}-{int(quoted)}.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


def _pandas(path: Path, kind: str) -> pd.DataFrame:
    if kind == "csv":
        return pd.read_csv(path, engine="c", dtype=TYPES, keep_default_na=False)
    return pd.read_json(path, lines=True, dtype=TYPES)


def _measured(folder: Path, path: Path, kind: str) -> tuple[float, float]:
    """Best seconds of pandas and of staging; their tables agree."""
    store, delivery = _delivered(folder, path, kind)
    theirs, ours = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        frame = _pandas(path, kind)
        theirs.append(time.perf_counter() - start)
        time.sleep(0.5)  # the next file's process starts beside what comes between two deliveries
        start = time.perf_counter()
        staged = staging.stage(CONTRACT, delivery, store, "run")
        ours.append(time.perf_counter() - start)
    assert (staged.staged_rows, staged.rejected_rows, staged.refusal) == (len(frame), 0, None)
    table = read_table(store, staged.table, list(TYPES)).to_pandas()
    for column in ("item", "annotator", "label"):
        assert (table[column] == frame[column]).all(), column
    # pandas' JSON reader is a few last digits off, by its own documentation (`precise_float`)
    assert np.allclose(table["seconds"], frame["seconds"], rtol=0 if kind == "csv" else 1e-12, atol=0)
    return min(theirs), min(ours)


def _delivered(folder: Path, path: Path, kind: str):
    store = open_store(f"file://{tempfile.mkdtemp(dir=folder)}")
    delivering.deliver(store, "acme", "pets", kind, "d1", [path])
    (delivery,) = manifests.waiting(CONTRACT, store)
    return store, delivery


def _memory(folder: Path, path: Path, kind: str) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_staged, args=(folder, path, kind, theirs))
    process.start()
    found = json.loads(ours.recv())
    process.join()
    return found[0], found[1]


def _staged(folder: Path, path: Path, kind: str, answer) -> None:
    store, delivery = _delivered(folder, path, kind)
    stop, parsers = threading.Event(), [0.0]
    watch = threading.Thread(target=_watch, args=(stop, parsers))
    watch.start()
    staging.stage(CONTRACT, delivery, store, "run")
    stop.set()
    watch.join()
    answer.send(json.dumps([_peak("self"), max(parsers)]))


def _watch(stop: threading.Event, found: list[float]) -> None:
    """Peak memory of the processes that this one started, looked at every few milliseconds."""
    while not stop.wait(0.02):
        for children in Path("/proc/self/task").glob("*/children"):
            found.extend(_peak(pid) for pid in children.read_text().split())


def _peak(pid: str) -> float:
    """MB. Not ru_maxrss: that counts the memory of the process that it was forked from."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it ended just now
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
