"""The part of a contract that says how vendors deliver: columns, file formats, dialects, manifests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from labelaudit.contracts.formats import CONTAINERS, EXPORTS, FORMATS

NAME = r"[a-z0-9][a-z0-9_-]{0,62}"
"""A customer, dataset or vendor: it becomes a part of paths, DAG ids and table names."""

Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
ColumnName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Character = Annotated[str, StringConstraints(min_length=1, max_length=1)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False, allow_inf_nan=False)


class Column(Model):
    """One column of the canonical long table (one row a label)."""

    type: Literal["string", "integer", "number", "boolean", "timestamp", "vector"] = Field(
        "string", description="vector: a list of numbers (a JSON array in text formats)"
    )
    required: bool = Field(True, description="whether the vendor's file must have the column")
    nullable: bool = Field(False, description="whether a row may leave it empty")
    length: int | None = Field(None, ge=1, le=1_000_000, description="vector: how many numbers")
    trim: bool = Field(False, description="take spaces and invisible characters off both ends; counted")
    case: Literal["lower", "upper"] | None = Field(None, description="write in one case; counted in the report")
    synonyms: dict[str, str] = Field(
        default_factory=dict, description="value as delivered (after trim and case): what is meant; counted"
    )

    @model_validator(mode="after")
    def _agrees_with_its_type(self):
        if (self.length is not None) != (self.type == "vector"):
            raise ValueError("`length` belongs to columns of type vector, and those need it")
        if (self.trim or self.case or self.synonyms) and self.type != "string":
            raise ValueError("`trim`, `case` and `synonyms` belong to columns of type string")
        return self


class Dialect(Model):
    """How a CSV or TSV file is written, where not as RFC 4180 has it; of an Excel sheet, `skip_lines` only."""

    quote: Character | None = Field('"', description="null: nothing is quoted")
    escape: Literal["doubled", "backslash"] = Field(
        "doubled",
        description='how a quote inside a field is written: "" or \\". A backslash stands for itself before all but the'
        " quote, a backslash and, outside quotes, the delimiter: \\N and \\n are text",
    )
    skip_lines: int = Field(0, ge=0, le=10_000, description="lines, or a sheet's rows, before the header")
    header: tuple[str, ...] | None = Field(None, description="names of the columns, where the file has no header")
    decimal: Literal[".", ","] = Field(".", description="the sign before the decimals of a number")


class Labels(Model):
    """How the classes of an item are written, with task multi_label: names in one column, or a column for each."""

    separator: Annotated[str, StringConstraints(min_length=1, max_length=5)] | None = Field(
        None, description="between the classes in the label column; blanks around a class are no part of it"
    )
    none: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None,
        description="with `separator`: what the label column says where no class applies; an empty one is a reject",
    )
    one_hot: dict[Label, str] | None = Field(
        None, description="class: the column that says whether it applies (1 or 0, true or false); all classes"
    )

    @model_validator(mode="after")
    def _is_one_way(self):
        if (self.separator is None) == (self.one_hot is None):
            raise ValueError("`labels` are written in one way: name `separator` or `one_hot`")
        if self.none is not None and self.separator is None:
            raise ValueError("`none` belongs to `separator`")
        if self.one_hot and len(set(self.one_hot.values())) != len(self.one_hot):
            raise ValueError("`one_hot` names a column twice")
        return self


class Vendor(Model):
    """How one vendor delivers: its file format, and what it calls the canonical columns."""

    format: Literal[tuple(FORMATS)] = Field(description="what the files are, see docs/deliveries.md")
    records_in: Literal[CONTAINERS] | None = Field(
        None, description="what a tool's nested records lie in, where not in the format's usual file"
    )
    compression: Literal["none", "gzip", "zstd", "zip"] = Field(
        "none", description="how each file is packed; zip: all files in it are read"
    )
    encoding: Literal["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "shift_jis", "gb18030"] = Field(
        "utf-8", description="of text files; one that is UTF-8 after all is refused"
    )
    delimiter: Character | None = Field(None, description="csv only; the default is a comma")
    dialect: Dialect = Field(Dialect(), description="how a csv or tsv file is written, where not as RFC 4180 has it")
    sheet: str | None = Field(None, description="excel only: the sheet's name; left out where there is but one")
    question: str | None = Field(
        None,
        description="which question the label answers, where a file answers several: a Label Studio control, a Labelbox"
        " question, a Ground Truth label attribute, a field of Scale's response",
    )
    columns: dict[ColumnName, str] = Field(
        default_factory=dict, description="canonical name: the vendor's name, where they differ"
    )
    raters: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(
        (),
        description="columns of the file that hold one rater's labels each (one row an item): the annotator is the"
        " column's name, an empty cell is no label",
    )
    labels: Labels | None = Field(
        None,
        exclude_if=lambda labels: labels is None,  # a digest binds contracts as they were before this key
        description="task multi_label only: how the classes of an item are written",
    )
    settled_minutes: int | None = Field(
        None,
        ge=1,
        le=525_600,
        description="take a delivery without manifest.json once it has been seen unchanged for so long; left out:"
        " it needs a manifest",
    )

    @model_validator(mode="after")
    def _options_fit_the_format(self):
        if self.delimiter is not None and self.format != "csv":
            raise ValueError("`delimiter` belongs to format csv")
        skipping = Dialect(skip_lines=self.dialect.skip_lines) if self.format == "excel" else Dialect()
        if self.format not in ("csv", "tsv") and self.dialect != skipping:
            raise ValueError("`dialect` belongs to formats csv and tsv; of excel, only its `skip_lines`")
        if self.sheet is not None and self.format != "excel":
            raise ValueError("`sheet` belongs to format excel")
        if self.raters:
            self._check_raters()
        if self.records_in is not None and self.records_in not in EXPORTS.get(self.format, ()):
            fit = ", ".join(EXPORTS.get(self.format, ())) or "nothing else"
            raise ValueError(f"`records_in` of format {self.format} can be {fit}")
        return self

    def _check_raters(self) -> None:
        if self.format in EXPORTS:
            tables = ", ".join(name for name in FORMATS if name not in EXPORTS)
            raise ValueError(f"`raters` belongs to tables ({tables})")
        if len(set(self.raters)) != len(self.raters) or len(self.raters) < 2:
            raise ValueError("`raters` are two columns or more, each named once")
        for name in ("annotator", "label"):
            if name in self.columns:
                raise ValueError(f"with `raters`, the {name} comes from their columns: take `{name}` out of `columns`")
