"""Wrong labels in files larger than memory should hold: time and peak memory from 1 to 100 million rows.

    python -m benchmarks.scale [millions of rows, default 1 4 16 100]

Each method runs in a process of its own, several times where that is quick, and the best counts. The files are in the
page cache. cleanlab's out-of-core mode reads .npy files, at 1 million rows only, in three ways: as it is called by
default (one process, batches of 10,000), with n_jobs=None ("all cores": a pool of processes for every batch), and with
batches of our shards' size. The ratio is to ours on the same .npy files.
Shares are of bandwidths measured on this machine: PASSES times the file's bytes in the time taken, beside reading the
cached file into a buffer (one thread) and numpy's sum over an array (all cores).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.label_errors import simulated

CLASSES, GROUP_ROWS = 10, 262_144
PASSES = 3
"""Two that find the thresholds and the noise, one that judges the rows."""

PATIENCE = 12.0
"""Seconds after which a method is not run once more."""

SCHEMAS = {
    "lists": pa.schema([("label", pa.int64()), ("pred_probs", pa.list_(pa.float32(), CLASSES))]),
    "binary": pa.schema([("label", pa.int64()), ("pred_probs", pa.binary(4 * CLASSES))]),
}


def write(path: Path, rows: int, form: str) -> None:
    """The rows of `simulated`, repeated from a pool: what they hold does not matter here."""
    labels, pred_probs = simulated(min(rows, 1_000_000), CLASSES)
    if form == "npy":
        for target, array in zip(npy(path), (labels, pred_probs), strict=True):
            np.save(target, array)
        return
    with pq.ParquetWriter(path, SCHEMAS[form], compression="none", use_dictionary=False) as file:
        for start in range(0, rows, GROUP_ROWS):
            here = np.arange(start, min(start + GROUP_ROWS, rows)) % len(labels)
            if form == "lists":
                column = pa.FixedSizeListArray.from_arrays(pa.array(pred_probs[here].ravel()), CLASSES)
            else:
                bytes_of_rows = pa.py_buffer(pred_probs[here])
                column = pa.FixedSizeBinaryArray.from_buffers(SCHEMAS[form].types[1], len(here), [None, bytes_of_rows])
            file.write_table(pa.table([pa.array(labels[here]), column], schema=SCHEMAS[form]))


def npy(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".labels.npy"), path.with_suffix(".pred_probs.npy")


def ours(path: Path) -> int:
    import labelaudit
    from labelaudit.storage.parquet_shards import parquet_shards

    made = labelaudit.find_label_errors_in_shards(parquet_shards(path), CLASSES)
    return sum(int(np.count_nonzero(part.is_issue)) for part in made.parts())


def ours_npy(path: Path) -> int:
    import labelaudit

    labels, pred_probs = (np.load(array, mmap_mode="r") for array in npy(path))
    starts = range(0, len(labels), GROUP_ROWS)
    made = labelaudit.find_label_errors_in_shards(
        lambda: ((labels[start : start + GROUP_ROWS], pred_probs[start : start + GROUP_ROWS]) for start in starts),
        CLASSES,
    )
    return sum(int(np.count_nonzero(part.is_issue)) for part in made.parts())


def ours_in_memory(path: Path) -> int:
    """Nothing out of core: what the others can at best come near to."""
    import labelaudit

    return int(np.count_nonzero(labelaudit.find_label_errors(*(np.load(array) for array in npy(path))).is_issue))


def cleanlab(path: Path, **options) -> int:
    from cleanlab.experimental.label_issues_batched import find_label_issues_batched

    labels, pred_probs = map(str, npy(path))
    return len(find_label_issues_batched(labels_file=labels, pred_probs_file=pred_probs, verbose=False, **options))


def cleanlab_all_cores(path: Path) -> int:
    return cleanlab(path, n_jobs=None)


def cleanlab_big_batches(path: Path) -> int:
    return cleanlab(path, batch_size=GROUP_ROWS)


METHODS = {
    "ours, Parquet lists": (ours, "lists"),
    "ours, Parquet binary": (ours, "binary"),
    "ours, .npy": (ours_npy, "npy"),
    "ours, .npy, in memory": (ours_in_memory, "npy"),
    "cleanlab, .npy, default": (cleanlab, "npy"),
    "cleanlab, .npy, big batches": (cleanlab_big_batches, "npy"),
    "cleanlab, .npy, all cores": (cleanlab_all_cores, "npy"),
}


def measured(method: str, path: Path) -> dict[str, float]:
    """Best seconds and peak memory of a method in a process of its own; a small file warms it up."""
    command = [sys.executable, "-m", "benchmarks.scale", method, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def child(method: str, path: Path) -> None:
    call, form = METHODS[method]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.parquet"
        write(small, 20_000, form)
        call(small)
    times: list[float] = []
    while len(times) < 7 and sum(times) < PATIENCE:
        started = time.perf_counter()
        issues = call(path)
        times.append(time.perf_counter() - started)
    status = Path("/proc/self/status").read_text()  # getrusage's maximum would count the parent that forked us
    peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
    print(json.dumps({"seconds": min(times), "peak": peak, "issues": issues}))


def check_thresholds(path: Path) -> None:
    """Both libraries' folds over the same shards end with the same confident thresholds."""
    from cleanlab.experimental.label_issues_batched import LabelInspector

    from labelaudit.kernels.confident import Tally
    from labelaudit.storage.parquet_shards import parquet_shards

    tally, inspector = Tally(CLASSES), LabelInspector(num_class=CLASSES, verbose=False, n_jobs=1)
    for labels, pred_probs in parquet_shards(path)():
        tally.add_own(labels, pred_probs)
        inspector.update_confident_thresholds(labels, pred_probs)
    np.testing.assert_allclose(tally.thresholds(), inspector.get_confident_thresholds(), rtol=1e-5)


def file_reading(path: Path) -> float:
    """Bytes per second of reading a cached file, the best of three."""
    buffer, best = bytearray(1 << 22), float("inf")
    for _ in range(3):
        started = time.perf_counter()
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
        best = min(best, time.perf_counter() - started)
    return path.stat().st_size / best


def memory_reading() -> float:
    """Bytes per second of summing 800 MB on all cores, the best of five."""
    cores, best = os.cpu_count() or 1, float("inf")
    arrays = np.ones((cores, 200_000_000 // cores), np.float32)
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(5):
            started = time.perf_counter()
            list(pool.map(np.sum, arrays))
            best = min(best, time.perf_counter() - started)
    return arrays.nbytes / best


def main() -> None:
    millions = [int(argument) for argument in sys.argv[1:]] or [1, 4, 16, 100]
    table = Table("rows", "method", "flagged", "s", "rows/s", "peak, MB", "of file reading", "of memory", "ratio")
    memory, read, bounds = memory_reading(), [], []
    for million in millions:
        results: dict[str, dict[str, float]] = {}
        for form in ("lists", "binary", "npy") if million == 1 else ("lists", "binary"):
            with tempfile.TemporaryDirectory() as folder:  # one file at a time: the largest takes 5 GB
                path = Path(folder) / "rows.parquet"
                write(path, million * 1_000_000, form)
                if form == "lists" and million == 1:
                    check_thresholds(path)
                main_file = npy(path)[1] if form == "npy" else path
                read.append(file_reading(main_file))
                for method in (name for name in METHODS if METHODS[name][1] == form):
                    result = results[method] = measured(method, path)
                    moved = PASSES * sum(file.stat().st_size for file in Path(folder).iterdir())
                    result["of reading"], result["of memory"] = (
                        moved / result["seconds"] / rate for rate in (read[-1], memory)
                    )
                    if method.startswith("cleanlab"):
                        bounds.append(f"{method} {result['seconds'] * memory / moved:,.0f} x")
        mine = {result["issues"] for method, result in results.items() if method.startswith("ours")}
        assert len(mine) == 1, "the formats give other results"
        for place, (method, result) in enumerate(results.items()):
            shares = method.startswith("ours") and "in memory" not in method
            table.add_row(
                f"{million},000,000" if not place else "",
                method,
                f"{result['issues']:,}",
                f"{result['seconds']:.3f}" if result["seconds"] < 1 else f"{result['seconds']:.2f}",
                f"{million * 1e6 / result['seconds']:,.0f}",
                f"{result['peak'] / 1e6:,.0f}",
                f"{result['of reading']:.0%}" if shares else "",
                f"{result['of memory']:.0%}" if shares else "",
                f"{result['seconds'] / results['ours, .npy']['seconds']:.1f} x"
                if method.startswith("cleanlab")
                else "",
            )
    console = Console(width=130)
    console.print(table)
    console.print(f"reading a cached file: {max(read) / 1e9:.1f} GB/s at best; memory: {memory / 1e9:.1f} GB/s")
    if bounds:
        console.print(f"the ratio {PASSES} passes would have if they only read memory: {'; '.join(bounds)}")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in METHODS:
        child(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
