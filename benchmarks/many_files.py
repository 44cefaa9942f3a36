"""Deliveries of very many small files: seconds of each step of a whole run, and how many processes parsed them.

    python -m benchmarks.many_files [FILES …]

By default a thousand and forty thousand files of ROWS rows, and the same as members of one zip archive. Each run is on
a folder of its own; what was published is counted.
"""

from __future__ import annotations

import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelaudit import readers
from labelaudit.contracts.model import Contract
from labelaudit.readers.confined.processes import Process
from labelaudit.receive import delivering
from labelaudit.run import steps
from labelaudit.run.whole_run import whole_run
from labelaudit.storage.opening import open_store

ROWS = 5
CONTRACT = Contract(
    customer="acme",
    dataset="pets",
    task="classification",
    classes=("cat", "dog"),
    columns={"item": {}, "annotator": {}, "label": {}},
    vendors={"files": {"format": "csv"}, "archive": {"format": "csv", "compression": "zip"}},
    predictions={"source": "none"},
)


def main(counts: list[int]) -> None:
    for vendor in CONTRACT.vendors:
        for count in counts:
            with tempfile.TemporaryDirectory(prefix="many-files-") as folder:
                _measure(vendor, count, Path(folder))


def _measure(vendor: str, count: int, folder: Path) -> None:
    store, seconds = open_store(f"file://{folder / 'store'}"), {}
    files = _files(folder / "out", count) if vendor == "files" else [_archive(folder, count)]

    @contextmanager
    def watch(step: str) -> Iterator[None]:
        since = time.perf_counter()
        yield
        seconds[step.split()[0]] = time.perf_counter() - since

    with watch("deliver"):
        delivering.deliver(store, CONTRACT.customer, CONTRACT.dataset, vendor, "d1", files)
    readers.prepare()  # then each process that is taken makes another one start
    before = Process.started
    outcome = whole_run(CONTRACT, store, steps.open_destination(CONTRACT, store), "run", watch=watch)
    rows = outcome.release.accepted_rows if outcome.release else 0
    started = Process.started - before
    told = ", ".join(f"{step} {taken:.1f} s" for step, taken in seconds.items())
    said = f"{outcome.status}, {rows:,} rows, {started} process(es)"
    print(f"{vendor}, {count:,} of {ROWS} rows: {said}; {told}", flush=True)


def _files(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"part-{number:06}.csv" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text(_content(number))
    return paths


def _archive(folder: Path, count: int) -> Path:
    path = folder / "parts.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"part-{number:06}.csv", _content(number))
    return path


def _content(number: int) -> str:
    item = number // 2  # of two annotators: there must be something to compare
    rows = (f"i{item}-{row},a{number % 2},{'cat' if (item + row) % 3 else 'dog'}\n" for row in range(ROWS))
    return "item,annotator,label\n" + "".join(rows)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1_000, 40_000])
