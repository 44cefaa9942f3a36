"""Cleans up values as the contract declares it, and counts every row that this changed; what is not declared stays.

Order: of each string column `trim`, `case`, `synonyms`; then the `label_map` of the row's guideline, on the label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.contracts.model import Contract
from labelaudit.readers.texts.invisible import TRIMMED
from labelaudit.values.deliveries import Cleanup, Delivery, Refusal

GUIDELINE = "guideline"
"""The column that says under which guideline a row was labelled; a row that leaves it empty is the delivery's."""


class Cleaning:
    """The clean-ups of one delivery, batch by batch."""

    def __init__(self, contract: Contract, delivery: Delivery) -> None:
        self._contract = contract
        self._delivery = delivery
        self._changed: Counter[tuple[str, str]] = Counter()

    def clean(self, rows: pa.Table) -> pa.Table:
        """The rows of a batch with the declared clean-ups made; same rows, columns and types.

        `trim` takes off white space and what nobody sees: no-break spaces, marks of byte order, characters without
        width. `case` maps letter by letter, in no language's own way. Empty values stay empty.
        """
        for name, column in self._contract.columns.items():
            if name not in rows.column_names:
                continue
            if column.trim:
                rows = self._set(rows, name, "trim", pc.utf8_trim(rows[name], TRIMMED))
            if column.case:
                written = pc.utf8_lower if column.case == "lower" else pc.utf8_upper
                rows = self._set(rows, name, "case", written(rows[name]))
            if column.synonyms:
                rows = self._set(rows, name, "synonyms", _replaced(rows[name], column.synonyms))
        if self._contract.label_map and "label" in rows.column_names:
            rows = self._set(rows, "label", "label_map", self._mapped(rows))
        return rows

    @property
    def cleanups(self) -> tuple[Cleanup, ...]:
        """What was changed so far, in the contract's order of columns; clean-ups that changed nothing are left out."""
        kinds = ("trim", "case", "synonyms", "label_map")
        return tuple(
            Cleanup(column=name, kind=kind, rows=self._changed[name, kind])
            for name in self._contract.columns
            for kind in kinds
            if self._changed[name, kind]
        )

    def _set(self, rows: pa.Table, name: str, kind: str, values: pa.ChunkedArray) -> pa.Table:
        changed = pc.sum(pc.not_equal(rows[name], values)).as_py() or 0
        if not changed:
            return rows
        self._changed[name, kind] += changed
        return rows.set_column(rows.column_names.index(name), rows.schema.field(name), values)

    def _mapped(self, rows: pa.Table) -> pa.ChunkedArray:
        guidelines, labels = _guidelines(self._delivery, rows), rows["label"]
        mapped = labels
        for version, renamed in self._contract.label_map.items():
            here = pc.fill_null(pc.equal(guidelines, version), False)
            mapped = pc.if_else(here, _replaced(labels, renamed), mapped)
        return mapped


def refusal_for_guideline(contract: Contract, delivery: Delivery) -> Refusal | None:
    """Why a delivery can't be taken for the guideline that it names, or for naming none; None where it can."""
    allowed = ", ".join(contract.guidelines)
    if not contract.guidelines or delivery.guideline in contract.guidelines:
        return None
    if delivery.guideline is None and GUIDELINE in contract.columns:
        return None
    named = "names no guideline" if delivery.guideline is None else f"names the guideline {delivery.guideline!r}"
    return Refusal(
        code="unknown_guideline",
        message=f"{delivery.name}: manifest.json {named}; the contract takes labels made under: {allowed}. Name the"
        " version that the labels were made under, or have the contract's `guidelines` changed, and deliver again"
        " under a new id.",
    )


def unknown_guidelines(contract: Contract, delivery: Delivery, rows: pa.Table) -> pa.ChunkedArray:
    """Which rows (bool, no nulls) were labelled under a guideline that the contract does not take.

    A row's guideline is its column `guideline`, where the contract declares it; where there is none or it is empty,
    the delivery's. A row without any is unknown. Call it on the rows that `clean` gave: the column may have synonyms.
    """
    if not contract.guidelines:
        return pa.chunked_array([pa.repeat(pa.scalar(False), rows.num_rows)])
    allowed = pa.array(contract.guidelines, pa.string())
    return pc.invert(pc.is_in(_guidelines(delivery, rows), allowed))


def unknown_guideline_reason(contract: Contract, guideline: str | None) -> str:
    """The reason of a row's reject with code `unknown_guideline`."""
    said = "no guideline" if guideline is None else repr(guideline)
    return f"{said}, where one of these is expected: {', '.join(contract.guidelines)}"


def _guidelines(delivery: Delivery, rows: pa.Table) -> pa.ChunkedArray:
    whole = pa.scalar(delivery.guideline, pa.string())
    if GUIDELINE in rows.column_names:
        return pc.coalesce(rows[GUIDELINE].cast(pa.string()), whole)
    return pa.chunked_array([pa.repeat(whole, rows.num_rows)])


def _replaced(values: pa.ChunkedArray, meant: Mapping[str, str]) -> pa.ChunkedArray:
    places = pc.index_in(values, pa.array(meant.keys(), values.type))
    return pc.coalesce(pa.array(meant.values(), values.type).take(places), values)
