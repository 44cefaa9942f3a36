"""Wrong labels in a Parquet file larger than memory should hold: time and peak memory from 1 to 100 million rows.

    python -m benchmarks.scale [millions of rows, default 1 4 16 100]

Each method runs in a process of its own. cleanlab's out-of-core mode reads .npy files, at 1 million rows only, and so
do we beside it: the ratio is to ours on the same files.
The bandwidths beside it are measured on this machine: reading the file's bytes, and numpy's sum over an array.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.label_errors import simulated

CLASSES, GROUP_ROWS = 10, 262_144
PASSES = 4
SCHEMA = pa.schema([("label", pa.int64()), ("pred_probs", pa.list_(pa.float32(), CLASSES))])


def write(path: Path, rows: int) -> None:
    """The rows of `simulated`, repeated from a pool: what they hold does not matter here. A million also as .npy."""
    labels, pred_probs = simulated(min(rows, 1_000_000), CLASSES)
    with pq.ParquetWriter(path, SCHEMA, compression="none", use_dictionary=False) as file:
        for start in range(0, rows, GROUP_ROWS):
            here = np.arange(start, min(start + GROUP_ROWS, rows)) % len(labels)
            lists = pa.FixedSizeListArray.from_arrays(pa.array(pred_probs[here].ravel()), CLASSES)
            file.write_table(pa.table([pa.array(labels[here]), lists], schema=SCHEMA))
    if rows == len(labels):
        for target, array in zip(npy(path), (labels, pred_probs), strict=True):
            np.save(target, array)


def ours(path: Path) -> int:
    import labelaudit
    from labelaudit.parquet_files import parquet_shards

    made = labelaudit.find_label_errors_in_shards(parquet_shards(path), CLASSES)
    return sum(int(part.is_issue.sum()) for part in made.parts())


def ours_npy(path: Path) -> int:
    import labelaudit

    labels, pred_probs = np.load(npy(path)[0], mmap_mode="r"), np.load(npy(path)[1], mmap_mode="r")
    starts = range(0, len(labels), GROUP_ROWS)
    made = labelaudit.find_label_errors_in_shards(
        lambda: ((labels[start : start + GROUP_ROWS], pred_probs[start : start + GROUP_ROWS]) for start in starts),
        CLASSES,
    )
    return sum(int(part.is_issue.sum()) for part in made.parts())


def cleanlab(path: Path) -> int:
    """Its out-of-core mode as it is documented: two .npy files, its own batches."""
    from cleanlab.experimental.label_issues_batched import find_label_issues_batched

    labels, pred_probs = npy(path)
    return len(find_label_issues_batched(labels_file=str(labels), pred_probs_file=str(pred_probs), verbose=False))


def cleanlab_tuned(path: Path) -> int:
    """The same with one process and batches of our shards' size: the best that a user gets by hand."""
    from cleanlab.experimental.label_issues_batched import find_label_issues_batched

    labels, pred_probs = npy(path)
    options = {"batch_size": GROUP_ROWS, "n_jobs": 1, "verbose": False}
    return len(find_label_issues_batched(labels_file=str(labels), pred_probs_file=str(pred_probs), **options))


def npy(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".labels.npy"), path.with_suffix(".pred_probs.npy")


METHODS = {
    "ours": ours,
    "ours, .npy": ours_npy,
    "cleanlab batched, .npy": cleanlab,
    "cleanlab batched, .npy, by hand": cleanlab_tuned,
}


def measured(method: str, path: Path) -> dict[str, float]:
    """Seconds and peak memory of a method in a process of its own; a small file warms it up."""
    command = [sys.executable, "-m", "benchmarks.scale", method, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def child(method: str, path: Path) -> None:
    call = METHODS[method]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.parquet"
        write(small, 20_000)
        call(small)
    started = time.perf_counter()
    issues = call(path)
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text()  # getrusage's maximum would count the parent that forked us
    peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
    print(json.dumps({"seconds": seconds, "peak": peak, "issues": issues}))


def check_thresholds(path: Path) -> None:
    """Both libraries' folds over the same shards end with the same confident thresholds."""
    from cleanlab.experimental.label_issues_batched import LabelInspector

    from labelaudit.kernels.confident import Tally
    from labelaudit.parquet_files import parquet_shards

    tally, inspector = Tally(CLASSES), LabelInspector(num_class=CLASSES, verbose=False, n_jobs=1)
    for labels, pred_probs in parquet_shards(path)():
        tally.add_own(labels, pred_probs)
        inspector.update_confident_thresholds(labels, pred_probs)
    np.testing.assert_allclose(tally.thresholds(), inspector.get_confident_thresholds(), rtol=1e-5)


def bandwidths(path: Path) -> tuple[float, float]:
    """Bytes per second: reading the file again, and summing 400 MB in memory."""
    started = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass
    disk = path.stat().st_size / (time.perf_counter() - started)
    array = np.ones(100_000_000, np.float32)
    started = time.perf_counter()
    array.sum()
    return disk, array.nbytes / (time.perf_counter() - started)


def main() -> None:
    millions = [int(one) for one in sys.argv[1:]] or [1, 4, 16, 100]
    table = Table("rows", "method", "flagged", "s", "rows/s", "peak, MB", "of file reading", "of memory", "ratio")
    with tempfile.TemporaryDirectory() as folder:
        for million in millions:
            path = Path(folder) / "rows.parquet"
            write(path, million * 1_000_000)
            disk, memory = bandwidths(path)
            mine = measured("ours", path)
            others = [one for one in METHODS if one != "ours"] if million == 1 else []
            found = {"ours": mine} | {method: measured(method, path) for method in others}
            if others:
                check_thresholds(path)
            assert not others or found["ours, .npy"]["issues"] == mine["issues"], "the formats give other results"
            for method, one in found.items():
                mine_too = method.startswith("ours")
                rate = PASSES * path.stat().st_size / one["seconds"]
                table.add_row(
                    f"{million},000,000" if method == "ours" else "",
                    method,
                    f"{one['issues']:,}",
                    f"{one['seconds']:.2f}",
                    f"{million * 1e6 / one['seconds']:,.0f}",
                    f"{one['peak'] / 1e6:,.0f}",
                    f"{rate / disk:.0%}" if mine_too else "",
                    f"{rate / memory:.0%}" if mine_too else "",
                    "" if mine_too else f"{one['seconds'] / found['ours, .npy']['seconds']:.1f} x",
                )
    Console(width=120).print(table)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in METHODS:
        child(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
