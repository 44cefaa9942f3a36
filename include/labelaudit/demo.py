"""Two weeks of demo deliveries of real data: digits that scikit-learn ships, docstrings of the installed packages.

What is wrong in them is known: annotators of different skill, a few damaged rows, a file cut off in transit on day 6
(delivered again on day 7), and vendor `cedar`, which turns bad on day 10. Everything follows from the day's number.
"""

from __future__ import annotations

import ast
import csv
import gzip
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from labelaudit.receive import delivering
from labelaudit.storage import layout
from labelaudit.storage.files import scratch
from labelaudit.storage.store import Store

DAYS = 14
DIGITS_A_DAY, DOCSTRINGS_A_DAY = 90, 150
CUT_DAY, BAD_DAY, BAD_VENDOR = 6, 10, "cedar"
PACKAGES = ("numpy", "scipy", "pandas", "sklearn")
DIGIT_SKILLS = {
    "alder": (0.98, 0.96, 0.94, 0.90),
    "birch": (0.97, 0.95, 0.92, 0.88),
    "cedar": (0.97, 0.94, 0.93, 0.85),
}
DOCSTRING_SKILLS = {"dalia": (0.97, 0.95, 0.93, 0.90), "elm": (0.96, 0.94, 0.90, 0.80)}
LOOKALIKES = {0: 6, 1: 7, 2: 3, 3: 8, 4: 9, 5: 6, 6: 5, 7: 1, 8: 3, 9: 4}

Row = dict[str, Any]


@dataclass(frozen=True)
class DemoDelivery:
    """Files to be delivered, in a local folder."""

    customer: str
    dataset: str
    vendor: str
    delivery_id: str
    files: tuple[Path, ...]
    records: dict[str, int]


def write_day(day: int, folder: Path) -> list[DemoDelivery]:
    """Write the deliveries of one day, 1 to DAYS, below `folder`."""
    made = [_digits(vendor, day, folder) for vendor in DIGIT_SKILLS]
    if day == CUT_DAY + 1:
        made.append(_digits("birch", CUT_DAY, folder, again=True))
    return made + [_docstrings(vendor, day, folder) for vendor in DOCSTRING_SKILLS]


def deliver_day(store: Store, day: int) -> int:
    """Deliver what belongs to a day, but for what is in the inbox already; gives how many deliveries were new."""
    new = 0
    with scratch() as folder:
        for delivery in write_day(day, folder):
            place = layout.delivery(delivery.vendor, delivery.customer, delivery.dataset, delivery.delivery_id)
            if not store.exists(place + layout.MANIFEST):
                new += 1
                delivering.deliver(
                    store,
                    delivery.customer,
                    delivery.dataset,
                    delivery.vendor,
                    delivery.delivery_id,
                    delivery.files,
                    records=delivery.records,
                )
    return new


def truth(customer: str, dataset: str) -> dict[str, str]:
    """The true label of every item of a demo dataset."""
    if (customer, dataset) == ("northwind", "digits"):
        _, targets = _digit_images()
        return {f"digit-{place:04d}": str(target) for place, target in enumerate(targets)}
    return {item: package for item, package, _ in _corpus()}


def _digits(vendor: str, day: int, folder: Path, again: bool = False) -> DemoDelivery:
    images, targets = _digit_images()
    vendors = list(DIGIT_SKILLS)
    rng = np.random.default_rng([day, vendors.index(vendor)])
    mine = range(DIGITS_A_DAY * (day - 1) + vendors.index(vendor), min(DIGITS_A_DAY * day, len(images)), len(vendors))
    rows: list[Row] = []
    for place in mine:
        chosen = rng.choice(len(DIGIT_SKILLS[vendor]), 3, replace=False)
        for annotator in sorted(chosen):
            skill = DIGIT_SKILLS[vendor][annotator]
            if vendor == BAD_VENDOR and day >= BAD_DAY:
                skill -= 0.35
            rows.append(
                {
                    "item": f"digit-{place:04d}",
                    "annotator": f"{vendor}-{annotator + 1}",
                    "label": str(_answer(int(targets[place]), 10, skill, LOOKALIKES, rng)),
                    "pixels": images[place].astype(int).tolist(),
                    "seconds": round(float(rng.gamma(4, 0.6)) + 0.4, 1),
                }
            )
    name = f"day-{day:02d}" + ("-again" if again else "")
    target = folder / "northwind" / vendor / name
    if vendor == "alder":
        return _delivery(
            "northwind", "digits", vendor, target, _csv(target, rows, {"item": "image", "label": "digit"}, day)
        )
    if vendor == "birch":
        return _delivery(
            "northwind", "digits", vendor, target, _jsonl(target, rows, day, cut=day == CUT_DAY and not again)
        )
    return _delivery("northwind", "digits", vendor, target, _parquet(target, rows, {"annotator": "worker"}))


def _docstrings(vendor: str, day: int, folder: Path) -> DemoDelivery:
    vendors = list(DOCSTRING_SKILLS)
    rng = np.random.default_rng([100 + day, vendors.index(vendor)])
    corpus = _corpus()
    start = DOCSTRINGS_A_DAY * (day - 1)
    rows: list[Row] = []
    for item, package, text in corpus[start + vendors.index(vendor) : start + DOCSTRINGS_A_DAY : len(vendors)]:
        annotator = int(rng.integers(len(DOCSTRING_SKILLS[vendor])))
        label = PACKAGES[_answer(PACKAGES.index(package), 4, DOCSTRING_SKILLS[vendor][annotator], {0: 1, 1: 0}, rng)]
        rows.append({"item": item, "annotator": f"{vendor}-{annotator + 1}", "label": label, "text": text})
    target = folder / "lexicon" / vendor / f"day-{day:02d}"
    if vendor == "dalia":
        files = _csv(target, rows, {"annotator": "rater", "label": "package"}, day)
    else:
        files = _jsonl(target, rows, day, compress=False)
    return _delivery("lexicon", "docstrings", vendor, target, files)


def _delivery(customer: str, dataset: str, vendor: str, target: Path, file: tuple[Path, int]) -> DemoDelivery:
    path, records = file
    return DemoDelivery(customer, dataset, vendor, target.name, (path,), {path.name: records})


def _answer(true: int, classes: int, skill: float, lookalikes: dict[int, int], rng: np.random.Generator) -> int:
    """What an annotator says: right with probability `skill`, else mostly the class that looks alike."""
    if rng.random() < skill:
        return true
    if true in lookalikes and rng.random() < 0.6:
        return lookalikes[true]
    return int((true + rng.integers(1, classes)) % classes)


def _csv(target: Path, rows: list[Row], names: dict[str, str], day: int) -> tuple[Path, int]:
    """Every third day with a damaged row: a label that is no class, and a line of another width."""
    target.mkdir(parents=True, exist_ok=True)
    path = target / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([names.get(name, name) for name in rows[0]])
        for place, row in enumerate(rows):
            cells = [json.dumps(cell) if isinstance(cell, list) else cell for cell in row.values()]
            if day % 3 == 0 and place == 4:
                cells[2] = "unsure"
            writer.writerow(cells[:-1] if day % 3 == 0 and place == 9 else cells)
    return path, len(rows)


def _jsonl(target: Path, rows: list[Row], day: int, compress: bool = True, cut: bool = False) -> tuple[Path, int]:
    """Every fourth day with a row that lacks its annotator; cut: the last third of the file is missing."""
    target.mkdir(parents=True, exist_ok=True)
    lines = []
    for place, row in enumerate(rows):
        row = {**row, "annotator": None} if day % 4 == 0 and place == 3 else row
        lines.append(json.dumps(row, ensure_ascii=False))
    content = ("\n".join(lines) + "\n").encode()
    path = target / ("labels.jsonl.gz" if compress else "labels.jsonl")
    packed = gzip.compress(content, mtime=0) if compress else content
    path.write_bytes(packed[: len(packed) * 2 // 3] if cut else packed)
    return path, len(rows)


def _parquet(target: Path, rows: list[Row], names: dict[str, str]) -> tuple[Path, int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    target.mkdir(parents=True, exist_ok=True)
    path = target / "labels.parquet"
    pq.write_table(pa.Table.from_pylist([{names.get(key, key): row[key] for key in row} for row in rows]), path)
    return path, len(rows)


@cache
def _digit_images() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    order = np.random.default_rng(7).permutation(len(images))
    return images[order], targets[order]


@cache
def _corpus() -> tuple[tuple[str, str, str], ...]:
    """(item, package, text) of docstrings of the installed packages, shuffled; package names in the text are masked."""
    wanted = DAYS * DOCSTRINGS_A_DAY // len(PACKAGES)
    docstrings = []
    for package in PACKAGES:
        texts = dict.fromkeys(text for text in _paragraphs(package))
        docstrings += [(package, text) for text in list(texts)[:wanted]]
    order = np.random.default_rng(11).permutation(len(docstrings))
    return tuple((f"doc-{number:05d}", *docstrings[place]) for number, place in enumerate(order))


def _paragraphs(package: str) -> Iterator[str]:
    spec = importlib.util.find_spec(package)
    root = Path(spec.origin).parent
    paragraphs = 0
    for path in sorted(root.rglob("*.py")):
        if "tests" in path.parts or path.name.startswith(("test_", "conftest")):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                paragraph = " ".join(" ".join(text.split("\n\n")[:2]).split())
                if 40 <= len(paragraph) <= 600:
                    paragraphs += 1
                    yield paragraph
        if paragraphs > DAYS * DOCSTRINGS_A_DAY // 2:
            return
