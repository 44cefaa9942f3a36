"""`labelaudit read`: tries a file before it is delivered, and says what would be read of it and what would not."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet as pq
import typer
from rich.table import Table

from labelaudit import readers
from labelaudit.cli.options import CONTRACTS, ContractsOption, JsonOption, contract_of
from labelaudit.cli.output import escape, out, tell
from labelaudit.contracts.model import Contract
from labelaudit.contracts.predictions import NoPredictions
from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.propose.recognising import recognise
from labelaudit.readers.documents.noting import count_paths, listed
from labelaudit.readers.terms import Field
from labelaudit.rejects.records import REJECT_SCHEMA
from labelaudit.rejects.words import SET_ASIDE, advice, title
from labelaudit.rendering.spreadsheet import safe_csv, safe_rows
from labelaudit.stage.staging import predictions_file, stage
from labelaudit.storage import layout
from labelaudit.storage.files import sha256_of
from labelaudit.storage.folder import FolderStore
from labelaudit.values.deliveries import DeliveredFile, Delivery

ALL_READ, REJECTED = 0, 3
SHOWN, LISTED = 10, 30

Said = dict[str, Any]


@dataclass
class Trial:
    """What was read of a file: rows, records, rejects by code and column, and the first of them in full.

    `columns` are the file's, where there is no contract; `undeclared` those that a contract does not name. `untaken` is
    what nested records hold and no column has: path, and how often.
    """

    file: str
    terms: Said
    notes: tuple[str, ...] = ()
    rows: int = 0
    records: int = 0
    rejected_rows: int = 0
    rejects: list[Said] = field(default_factory=list)
    first_rejects: list[Said] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    undeclared: list[str] = field(default_factory=list)
    untaken: dict[str, int] = field(default_factory=dict)
    cleanups: list[Said] = field(default_factory=list)
    refusal: Said | None = None

    @property
    def all_read(self) -> bool:
        """Whether nothing is wrong with the file: records that were skipped or not labelled are no fault of it."""
        return self.refusal is None and all(reject["code"] in SET_ASIDE for reject in self.rejects)


def read(
    file: Annotated[Path, typer.Argument(exists=True)],
    contract: Annotated[
        str | None, typer.Option(metavar="CUSTOMER/DATASET", help="read it as its delivery would be")
    ] = None,
    vendor: Annotated[str | None, typer.Option(help="whose terms, where the contract has several vendors")] = None,
    guideline: Annotated[str | None, typer.Option(help="version of the guideline that the delivery will name")] = None,
    as_format: Annotated[str | None, typer.Option("--format", "--as", help="without a contract")] = None,
    question: Annotated[str | None, typer.Option(help="which question, without a contract")] = None,
    rejects: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="write all rejects there")] = None,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Try a file before it is delivered: what can be read, what can't, and what to do. Delivers nothing.

    Exit code 3 where rows are rejected or the file is refused; records that were skipped or not labelled don't count.
    """
    if contract is None and (vendor or guideline):
        raise InvalidInput("--vendor and --guideline belong to a contract: say --contract CUSTOMER/DATASET")
    if contract is not None and (as_format or question):
        raise InvalidInput("--format and --question are for a file without a contract: leave them out")
    if file.is_dir():
        raise InvalidInput(f"{file}: it is a folder. Name a file in it")
    with ExitStack() as stack:
        sink = _Rejects(stack, rejects)
        if contract is None:
            trial = tried(file, as_format, question, sink)
        else:
            trial = tried_as_delivery(file, contract_of(contracts, contract), vendor, guideline, sink)
        trial.first_rejects = sink.first
    tell(asdict(trial) | {"all_read": trial.all_read}, as_json, None)
    if not as_json:
        _show(trial, rejects)
    raise typer.Exit(ALL_READ if trial.all_read else REJECTED)


class _Rejects:
    """Where rejects go: the first ones are kept, all are written to a CSV file, where one is asked for."""

    def __init__(self, stack: ExitStack, path: Path | None):
        self.first: list[Said] = []
        self._file = None
        if path is not None:
            try:
                self._file = stack.enter_context(path.open("wb"))
            except OSError as error:
                raise InvalidInput(f"{path}: can't be written: {error.strerror}. Name another file") from error
            self._file.write(safe_csv(REJECT_SCHEMA.names, ()))

    def take(self, rejects: Iterable[Said]) -> None:
        for reject in rejects:
            if len(self.first) < SHOWN:
                self.first.append(reject)
            if self._file is not None:
                self._file.write(safe_rows([[reject[name] for name in REJECT_SCHEMA.names]]))


def tried(file: Path, as_format: str | None, question: str | None, sink: _Rejects) -> Trial:
    """The file as what it seems to be, with no contract: are its records sound?"""
    try:
        recognised = recognise(file, as_format, question)
    except InvalidInput as error:
        if as_format is not None:
            raise
        refusal = {"code": "unreadable_file", "message": str(error)}
        return Trial(file.name, {}, refusal=refusal)
    trial = Trial(file.name, recognised.vendor, recognised.notes)
    counts: Counter[tuple[str, str | None]] = Counter()
    untaken: Counter[str] = Counter()
    terms, columns = recognised.terms, set()
    if terms.format in ("csv", "tsv"):  # a table is read column by column: it needs one
        once = next((name for name in recognised.keys if recognised.keys.count(name) == 1), recognised.keys[0])
        terms = replace(terms, fields=(Field("first", once, required=False, nullable=True),))
        columns.add(once)
    try:
        for batch in readers.read(file, terms):
            trial.rows += batch.rows.num_rows
            trial.records += batch.rows.num_rows + len(batch.rejects) if batch.records is None else batch.records
            trial.rejected_rows += len(batch.rejects)
            counts.update((reject.code, reject.column) for reject in batch.rejects)
            sink.take(asdict(reject) | {"advice": advice(reject.code)} for reject in batch.rejects)
            columns |= batch.undeclared
            count_paths(untaken, batch.untaken)
        if not trial.records:
            trial.refusal = {"code": "empty_delivery", "message": f"{file.name}: it holds no rows."}
    except DeliveryRejected as error:
        trial.refusal = {"code": error.code, "message": str(error)}
    trial.rejects = [_count(code, column, rows) for (code, column), rows in counts.most_common()]
    trial.columns, trial.untaken = sorted(columns), dict(listed(untaken))
    return trial


def tried_as_delivery(
    file: Path, contract: Contract, vendor: str | None, guideline: str | None, sink: _Rejects
) -> Trial:
    """The file staged as its delivery would be, clean-ups and all, in a folder that is gone afterwards.

    Predictions that the contract wants in a second file are not asked for. Raises InvalidInput for an unknown vendor.
    """
    if vendor is None and len(contract.vendors) > 1:
        raise InvalidInput(f"whose file is it? Say --vendor with one of {', '.join(contract.vendors)}")
    vendor = vendor or next(iter(contract.vendors))
    if vendor not in contract.vendors:
        raise InvalidInput(f"{contract.id} has no vendor {vendor!r}; it has {', '.join(contract.vendors)}")
    if predictions_file(contract) is not None:
        if file.name == predictions_file(contract):
            raise InvalidInput(f"{file.name} holds the delivery's predictions: try the file with the labels")
        contract = contract.model_copy(update={"predictions": NoPredictions(source="none")})
    digest = sha256_of(file)
    file_read = DeliveredFile(path=file.name, bytes=file.stat().st_size, sha256=digest)
    delivery = Delivery(
        customer=contract.customer,
        dataset=contract.dataset,
        vendor=vendor,
        id="tried",
        files=(file_read,),
        digest=digest,
        guideline=guideline,
    )
    with tempfile.TemporaryDirectory(prefix="labelaudit-") as folder:
        store = FolderStore(Path(folder))
        place = Path(folder) / layout.delivery(vendor, contract.customer, contract.dataset, delivery.id)
        place.mkdir(parents=True)
        try:
            os.link(file.resolve(), place / file.name)
        except OSError:  # another disk
            shutil.copyfile(file, place / file.name)
        staged = stage(contract, delivery, store, "tried")
        if staged.rejects:
            with store.local(staged.rejects) as path:
                sink.take(_rows_of(path))
    terms = contract.vendors[vendor].model_dump(mode="json", exclude_defaults=True)
    return Trial(
        file.name,
        terms,
        rows=staged.staged_rows,
        records=staged.records,
        rejected_rows=staged.rejected_rows,
        rejects=[_count(count.code, count.column, count.rows) for count in staged.reject_counts],
        undeclared=list(staged.undeclared),
        untaken={path_count.path: path_count.count for path_count in staged.untaken},
        cleanups=[cleanup.model_dump() for cleanup in staged.cleanups],
        refusal=staged.refusal.model_dump() if staged.refusal else None,
    )


def _rows_of(path: Path) -> Iterator[Said]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(1_000):
            yield from batch.to_pylist()


def _count(code: str, column: str | None, rows: int) -> Said:
    return {"code": code, "column": column, "rows": rows, "title": title(code), "advice": advice(code)}


def _show(trial: Trial, written: Path | None) -> None:
    said = ", ".join(f"{key} {value}" for key, value in trial.terms.items() if key != "columns")
    out.print(f"{escape(trial.file)}: {escape(said) or 'not recognised'}", highlight=False, soft_wrap=True)
    for note in trial.notes:
        out.print(f"  [yellow]check[/yellow] {escape(note)}", highlight=False, soft_wrap=True)
    counts = f"rows {trial.rows}, records {trial.records}, rejects {trial.rejected_rows}"
    out.print(counts if trial.refusal is None else f"{counts}, until it was refused", highlight=False)
    for what, names in (("columns", trial.columns), ("columns that the contract does not name", trial.undeclared)):
        if names:
            out.print(f"{what}: {escape(', '.join(names)[:1_000])}", highlight=False, soft_wrap=True)
    if trial.untaken:
        out.print("not taken: no column has it", highlight=False)
    for path, count in islice(trial.untaken.items(), LISTED):
        out.print(f"  {count} × {escape(path)}", highlight=False, soft_wrap=True)
    if len(trial.untaken) > LISTED:
        out.print(f"  … and {len(trial.untaken) - LISTED} more paths; --json has all", highlight=False)
    for cleanup in trial.cleanups:
        out.print(
            f"  {cleanup['kind']} changed `{escape(cleanup['column'])}` in {cleanup['rows']} rows", highlight=False
        )
    if trial.rejects:
        table = Table("rejects", "code", "column", "what it means", "what to do")
        for reason in islice(trial.rejects, 50):
            cells = (str(reason["rows"]), reason["code"], reason["column"] or "", reason["title"], reason["advice"])
            table.add_row(*map(escape, cells))
        out.print(table)
    for reject in trial.first_rejects:
        place = f"line {reject['line']}" + (
            f", {reject['place']}" if reject["place"] and reject["place"] != "$" else ""
        )
        out.print(f"{escape(place)}: {escape(reject['reason'])}", highlight=False, soft_wrap=True)
        out.print(f"  {escape(reject['advice'])}", highlight=False, soft_wrap=True)
    if trial.rejected_rows > len(trial.first_rejects):
        where = f"all are in {written}" if written else "write all of them with --rejects FILE.csv"
        out.print(f"… and {trial.rejected_rows - len(trial.first_rejects)} more; {escape(where)}", highlight=False)
    if trial.refusal:
        code, message = trial.refusal["code"], trial.refusal["message"]
        out.print(f"[red]refused[/red] ({code}): {escape(message)}", highlight=False, soft_wrap=True)
        out.print(f"  {escape(advice(code))}", highlight=False, soft_wrap=True)
    elif trial.all_read:
        out.print("[green]all of it can be read[/green]", highlight=False)
