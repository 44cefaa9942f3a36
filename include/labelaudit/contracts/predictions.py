"""The part of a contract that says what labels are judged by: predicted probabilities, or what they are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, Union

from pydantic import Field

from labelaudit.contracts.delivery import Column, ColumnName, Label, Model


class Source(Model):
    """What all sources answer. Those with `types` make predictions from the rows, by `labelaudit.detect.sources`."""

    types: ClassVar[tuple[str, ...]] = ()
    """What the columns that predictions are made from can be."""

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The canonical columns that predictions are made from."""
        return ()

    def problems(self, columns: Mapping[str, Column], classes: Sequence[str]) -> Iterator[str]:
        """What does not fit a contract with these columns and classes."""
        for name in self.feature_columns:
            if name not in columns:
                yield f"`predictions` names column `{name}`, which `columns` does not declare"
            elif columns[name].type not in self.types:
                wanted = " or ".join(self.types)
                yield f"`predictions` needs column `{name}` of type {wanted}, not {columns[name].type}"


class OneColumn(Source):
    """Made from one column."""

    @property
    def feature_columns(self) -> tuple[str, ...]:
        return (self.column,)


class Delivered(Source):
    """Predicted probabilities that come with the delivery: columns of its rows, or a file of its own."""

    source: Literal["delivered"] = Field(description="probabilities that come with the labels")
    columns: dict[Label, str] = Field(
        default_factory=dict, description="class: the column of its probability, where they differ"
    )
    file: str | None = Field(None, description="name of the second file (item column and one column a class)")

    def problems(self, columns: Mapping[str, Column], classes: Sequence[str]) -> Iterator[str]:
        for label in self.columns:
            if label not in classes:
                yield f"`predictions.columns` names {label!r}, which is not a class"


class FromText(OneColumn):
    """Word and character TF-IDF, logistic regression."""

    types: ClassVar[tuple[str, ...]] = ("string",)
    source: Literal["text"] = Field(description="a model of a column of texts")
    column: ColumnName = Field(description="of type string")


class FromEmbedding(OneColumn):
    """Logistic regression on a vector column."""

    types: ClassVar[tuple[str, ...]] = ("vector",)
    source: Literal["embedding"] = Field(description="a model of a column of vectors")
    column: ColumnName = Field(description="of type vector")


class FromTabular(Source):
    """Gradient boosting on numeric columns."""

    types: ClassVar[tuple[str, ...]] = ("integer", "number", "boolean")
    source: Literal["tabular"] = Field(description="a model of columns of numbers")
    columns: tuple[ColumnName, ...] = Field(min_length=1, description="of type integer, number or boolean")

    @property
    def feature_columns(self) -> tuple[str, ...]:
        return self.columns


Side = Annotated[int, Field(ge=1, le=10_000)]


class FromPixels(OneColumn):
    """Small pictures in a vector column, row by row from the top left."""

    types: ClassVar[tuple[str, ...]] = ("vector",)
    source: Literal["pixels"] = Field(description="a model of small pictures")
    column: ColumnName = Field(description="of type vector, as long as `shape` has values")
    shape: tuple[Side, Side] | tuple[Side, Side, Literal[3]] = Field(description="height, width[, 3 for RGB]")
    maximum: float = Field(255, gt=0, description="the value of full brightness")

    def problems(self, columns: Mapping[str, Column], classes: Sequence[str]) -> Iterator[str]:
        unfit = list(super().problems(columns, classes))
        yield from unfit
        size = prod(self.shape)
        if not unfit and size != (length := columns[self.column].length):
            yield f"`predictions.shape` has {size} values, column `{self.column}` {length}"


class NoPredictions(Source):
    """Nothing but the annotators' agreement; every item needs several."""

    source: Literal["none"] = Field(description="no model")

    def problems(self, columns: Mapping[str, Column], classes: Sequence[str]) -> Iterator[str]:
        if "annotator" not in columns:
            yield "without predictions, `columns` must declare `annotator`"


SOURCES = (Delivered, FromText, FromEmbedding, FromTabular, FromPixels, NoPredictions)
"""Every source. A new one that makes predictions from rows is a class here and its module in `detect.sources`."""

Predictions = Annotated[Union[SOURCES], Field(discriminator="source")]  # noqa: UP007 - made of the table
