"""A delivery's files into canonical Parquet, and what could not be read into a table of rejects.

Size and digest of every file are verified before anything is parsed. The only module of a run that uses the readers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelaudit import readers
from labelaudit.contracts.formats import EXPORTS
from labelaudit.contracts.model import Contract
from labelaudit.contracts.predictions import Delivered
from labelaudit.errors import DeliveryRejected
from labelaudit.readers.documents.noting import count_paths, listed
from labelaudit.readers.records import schema_of
from labelaudit.readers.terms import Field, Terms
from labelaudit.receive.delivered_files import fetch
from labelaudit.rejects.records import REJECT_SCHEMA, TEXT_CHARACTERS, Reject, rejects_table
from labelaudit.stage.cleaning import Cleaning, refusal_for_guideline, unknown_guideline_reason, unknown_guidelines
from labelaudit.storage import layout
from labelaudit.storage.files import scratch
from labelaudit.storage.parquet import TableWriter
from labelaudit.storage.store import Store
from labelaudit.tasks import task_of
from labelaudit.values.deliveries import DeliveredFile, Delivery, PathCount, Refusal, RejectCount, StagedDelivery


def stage(
    contract: Contract,
    delivery: Delivery,
    store: Store,
    run: str,
    progress: Callable[[int, int], None] | None = None,
) -> StagedDelivery:
    """Read a delivery below the run's prefix. A delivery that can't be taken comes back with its refusal.

    Raises StorageUnavailable only: what is wrong with the delivery is a value.
    """
    prefix = layout.run_delivery(contract.customer, contract.dataset, run, delivery.vendor, delivery.id)
    work = _Work(contract, delivery, store, prefix, progress)
    refusal = delivery.refusal or refusal_for_guideline(contract, delivery)
    if refusal is None:
        try:
            work.read_all()
        except DeliveryRejected as error:
            refusal = Refusal(code=error.code, message=str(error))
    return StagedDelivery(
        delivery=delivery,
        delivered_rows=work.staged_rows + work.rejected_rows,
        staged_rows=work.staged_rows,
        rejected_rows=work.rejected_rows,
        table=None if refusal else prefix + "staged.parquet",
        predictions=prefix + "predictions.parquet" if work.predictions_rows and not refusal else None,
        rejects=prefix + "unreadable.parquet" if work.rejected_rows else None,
        reject_counts=tuple(
            RejectCount(code=code, column=column, rows=rows)
            for (code, column), rows in sorted(work.counts.items(), key=lambda count: (-count[1], str(count[0])))
        ),
        records=work.records,
        undeclared=tuple(sorted(work.undeclared)),
        untaken=tuple(PathCount(path=path, count=count) for path, count in listed(work.untaken)),
        cleanups=work.cleaning.cleanups,
        refusal=refusal,
    )


def terms_for(contract: Contract, vendor: str, path: str) -> Terms:
    """How the contract says that this vendor's file `path` is to be read."""
    agreed = contract.vendors[vendor]
    names, dialect = agreed.columns, agreed.dialect
    probabilities = tuple(names.get(name, name) for name in contract.probability_columns)
    second = predictions_file(contract)
    declared = contract.columns.items()
    if second is not None:
        declared = [(name, column) for name, column in declared if path != second or name == "item"]
        probabilities = probabilities if path == second else ()
    return Terms(
        name=path,
        format=agreed.format,
        fields=tuple(
            field
            for name, one in declared
            for field in (name == "label" and task_of(contract.task).fields(agreed))
            or (
                Field(
                    name,
                    names.get(name, name),
                    one.type,
                    one.required,
                    one.nullable,
                    one.length,
                    is_label=name == "label" and one.type == "string",
                    trim=one.trim,
                ),
            )
        ),
        probabilities=probabilities,
        compression=agreed.compression,
        encoding=agreed.encoding,
        container=agreed.records_in or EXPORTS.get(agreed.format, ("",))[0],
        question=agreed.question,
        sheet=agreed.sheet,
        delimiter="\t" if agreed.format == "tsv" else agreed.delimiter or ",",
        quote=dialect.quote,
        escape=dialect.escape,
        skip_lines=dialect.skip_lines,
        header=dialect.header or (),
        decimal=dialect.decimal,
        raters=() if path == second else agreed.raters,
    )


def predictions_file(contract: Contract) -> str | None:
    """Name of the file that holds the delivered predictions, where they have one of their own."""
    return contract.predictions.file if isinstance(contract.predictions, Delivered) else None


DISTINCT = ("item", "line")
FETCHED_AT_ONCE = 8


class _Work:
    """One staging under way: the counts are right however far it came."""

    def __init__(self, contract, delivery, store, prefix, progress):
        self.contract, self.delivery, self.store, self.prefix = contract, delivery, store, prefix
        self.progress = progress
        self.staged_rows = self.rejected_rows = self.predictions_rows = 0
        self.records = 0
        self.undeclared: set[str] = set()
        self.untaken: Counter[str] = Counter()
        self.cleaning = Cleaning(contract, delivery)
        self.counts: Counter[tuple[str, str | None]] = Counter()

    def read_all(self) -> None:
        second = predictions_file(self.contract)
        tables = [file for file in self.delivery.files if file.path != second]
        others = [file for file in self.delivery.files if file.path == second]
        if second is not None and not others:
            raise DeliveryRejected("bad_predictions", f"there is no file {second!r} with the predictions")
        if not tables:
            raise DeliveryRejected("empty_delivery", "the delivery has no file with labels")
        terms = [terms_for(self.contract, self.delivery.vendor, file.path) for file in tables]
        with ExitStack() as stack:
            key = self.prefix + "staged.parquet"
            worker = stack.enter_context(readers.Worker())  # starts while the digests are computed
            paths = self._all_fetched([*tables, *others], stack.enter_context(scratch()))
            for file, path in zip(others, paths[len(tables) :], strict=True):
                self._read_predictions(file, path, worker)
            with TableWriter(
                self.store, key, self._canonical(schema_of(terms[0]).empty_table()).schema, DISTINCT
            ) as staged:
                self._read_rows(list(zip(tables, paths, terms, strict=False)), staged, worker)
        if not self.staged_rows and not self.rejected_rows:
            raise DeliveryRejected("empty_delivery", "the delivery's files hold no rows. Deliver them again.")

    def _read_rows(
        self, files: list[tuple[DeliveredFile, Path, Terms]], staged: TableWriter, worker: readers.Worker
    ) -> None:
        rejects: list[Reject] = []
        expected = sum(file.records or 0 for file, _, _ in files)
        try:
            for number, (file, path, terms) in enumerate(files, 1):
                before = self.records
                then = [(path, terms) for _, path, terms in files[number : number + readers.AHEAD]]
                for batch in worker.read(path, terms, then):
                    rows, unknown = self._cleaned(batch.rows)
                    rejects_here = [*batch.rejects, *unknown]
                    staged.write(rows)
                    rejects += rejects_here
                    self.staged_rows += rows.num_rows
                    self.rejected_rows += len(rejects_here)
                    self.records += batch.records
                    self.undeclared |= batch.undeclared
                    count_paths(self.untaken, batch.untaken)
                    self.counts.update((reject.code, reject.column) for reject in rejects_here)
                    if self.progress:
                        self.progress(self.staged_rows + self.rejected_rows, expected)
                _require_count(file, self.records - before)
        finally:
            if rejects:
                with TableWriter(self.store, self.prefix + "unreadable.parquet", REJECT_SCHEMA) as writer:
                    writer.write(rejects_table(rejects))

    def _canonical(self, rows: pa.Table) -> pa.Table:
        return task_of(self.contract.task).canonical(rows, self.contract, self.contract.vendors[self.delivery.vendor])

    def _cleaned(self, rows: pa.Table) -> tuple[pa.Table, list[Reject]]:
        """The rows after declared clean-ups, and rejects: empty then, or of a guideline that is not taken."""
        rows = self._canonical(self.cleaning.clean(rows))
        unfit = {None: unknown_guidelines(self.contract, self.delivery, rows)}
        for name, column in self.contract.columns.items():
            if column.trim and not column.nullable:
                unfit[name] = pc.fill_null(pc.equal(rows[name], ""), False)
        wrong = reduce(pc.or_, unfit.values())
        if not pc.any(wrong).as_py():
            return rows, []
        rejects = []
        for number in np.flatnonzero(wrong.to_numpy()):
            row = rows.slice(number, 1).to_pylist()[0]
            file, line, place = (row.pop(name) for name in ("file", "line", "place"))
            column = next(name for name, mask in unfit.items() if mask[int(number)].as_py())
            if column is None:
                code, column = "unknown_guideline", "guideline" if "guideline" in row else None
                reason = unknown_guideline_reason(self.contract, row.get("guideline") or self.delivery.guideline)
            else:
                code, reason = "empty", f"`{column}` holds nothing but spaces"
            rejects.append(Reject(file, line, column, code, reason, str(row)[:TEXT_CHARACTERS], place or ""))
        return rows.filter(pc.invert(wrong)), rejects

    def _read_predictions(self, file: DeliveredFile, path: Path, worker: readers.Worker) -> None:
        terms = terms_for(self.contract, self.delivery.vendor, file.path)
        with TableWriter(self.store, self.prefix + "predictions.parquet", schema_of(terms)) as writer:
            for batch in worker.read(path, terms):
                if batch.rejects:
                    first = batch.rejects[0]
                    raise DeliveryRejected(
                        "bad_predictions",
                        f"{file.path}, line {first.line}: {first.reason}. Every row of the predictions must be sound.",
                    )
                writer.write(batch.rows)
            self.predictions_rows = writer.rows
            _require_count(file, writer.rows)

    def _all_fetched(self, files: list[DeliveredFile], folder: Path) -> list[Path]:
        """All files, several at once: of many small ones, nearly all the time is the store's answering."""
        paths = [folder / str(number) for number in range(len(files))]
        with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
            try:
                for _ in pool.map(lambda file, path: fetch(self.store, self.delivery, file, path), files, paths):
                    pass
            finally:
                pool.shutdown(cancel_futures=True)
        return paths


def _require_count(file: DeliveredFile, rows: int) -> None:
    if file.records is not None and rows != file.records:
        raise DeliveryRejected(
            "count_mismatch",
            f"{file.path} holds {rows} records, manifest.json says {file.records}. Correct whichever is wrong and"
            " deliver again under a new id.",
        )
