"""Gold items: those whose true label the customer knows, in a CSV file (item, label) in the store.

Vendors must not see it: it lies beside the inbox, never in it.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow as pa

from labelaudit.contracts.model import Contract
from labelaudit.errors import ContractError
from labelaudit.readers.texts.invisible import named
from labelaudit.storage import layout
from labelaudit.storage.store import Store
from labelaudit.values.text_forms import difference, twins

HEADER = ["item", "label"]
SHOWN_PROBLEMS = 10


def put_gold(contract: Contract, store: Store, path: Path) -> tuple[str, int]:
    """Check a file and put it where the contract names it; gives the key and the number of items.

    Raises ContractError with what is wrong, line by line.
    """
    key = _key(contract)
    content = path.read_bytes()
    truths = _parsed(contract, content, str(path))
    store.keep_private(_folder(key))
    store.write(key, content)
    return key, len(truths)


def read_gold(contract: Contract, store: Store) -> dict[str, str]:
    """The true label by item; empty where the contract names no gold. Raises ContractError."""
    if contract.gold is None:
        return {}
    key = _key(contract)
    try:
        content = store.read(key)
        store.keep_private(_folder(key))  # put there by hand, or by an older version
    except KeyError as error:
        problem = (
            f"`gold` names {contract.gold}, which is not at {store.uri_of(key)}."
            f" Put it there: labelaudit gold FILE --to {contract.id}"
        )
        raise ContractError(f"{contract.id}.yaml", [problem]) from error
    return _parsed(contract, content, store.uri_of(key))


def _key(contract: Contract) -> str:
    if contract.gold is None:
        problem = "has no gold: name a file in it first, e.g. `gold: gold.csv`"
        raise ContractError(f"{contract.id}.yaml", [problem])
    return layout.gold(contract.customer, contract.dataset, contract.gold)


def _folder(key: str) -> str:
    return key.rsplit("/", 1)[0] + "/"


def _parsed(contract: Contract, content: bytes, where: str) -> dict[str, str]:
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        rows = [(lines.line_num, row) for row in lines if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ContractError(where, [f"can't be read as CSV in UTF-8: {error}"]) from error
    if not rows or rows[0][1] != HEADER:
        header = rows[0][1] if rows else "nothing"
        raise ContractError(where, [f"line 1: the header must be {','.join(HEADER)}, not {header}"])
    truths: dict[str, str] = {}
    problems = []
    for line, row in rows[1:]:
        if len(row) != len(HEADER):
            problems.append(f"line {line}: {len(row)} fields, not {len(HEADER)}")
        elif hidden := named(row[0]) or named(row[1]):
            problems.append(f"line {line}: {row[0]!r},{row[1]!r} has {hidden}")
        elif row[1] not in contract.classes:
            problems.append(f"line {line}: {row[1]!r} is not one of the contract's classes")
        elif truths.setdefault(row[0], row[1]) != row[1]:
            problems.append(f"line {line}: item {row[0]!r} has two labels, {truths[row[0]]!r} and {row[1]!r}")
    for text, other in twins(pa.chunked_array([pa.array(truths, pa.string())])).items():
        problems.append(f"item {text!r} is there in two Unicode forms: {difference(text, other)}")
    if len(problems) > SHOWN_PROBLEMS:
        problems = [*problems[:SHOWN_PROBLEMS], f"and {len(problems) - SHOWN_PROBLEMS} more"]
    if problems:
        raise ContractError(where, problems)
    return truths
