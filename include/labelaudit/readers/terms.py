"""How a file is to be read, as plain values: what a contract says of a vendor's files, without the contract."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One canonical column, and what the file calls it.

    `is_label`: true, false and numbers are labels, too, and taken as text.
    """

    name: str
    source: str
    type: str = "string"
    required: bool = True
    nullable: bool = False
    length: int | None = None
    decimal: str = "."
    is_label: bool = False
    trim: bool = False


@dataclass(frozen=True)
class Terms:
    """How a file is to be read. `name` is what messages call it; `probabilities` are K source columns, one vector.

    `container` is what nested records lie in: jsonl, json, parquet, arrow. `header` are the columns' names where the
    file has none; `raters` those that hold one rater's labels each (`wide`). The rest is as in the
    contract: `contracts.delivery.Vendor` and `Dialect`.
    """

    name: str
    format: str
    fields: tuple[Field, ...] = ()
    probabilities: tuple[str, ...] = ()
    compression: str = "none"
    encoding: str = "utf-8"
    container: str = ""
    question: str | None = None
    sheet: str | None = None
    delimiter: str = ","
    quote: str | None = '"'
    escape: str = "doubled"
    skip_lines: int = 0
    header: tuple[str, ...] = ()
    decimal: str = "."
    raters: tuple[str, ...] = ()
