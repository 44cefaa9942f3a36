"""The part of a contract that says what labels are judged by: predicted probabilities, or what they are made from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from labelaudit.contracts.delivery import ColumnName, Label, Model


class Delivered(Model):
    """Predicted probabilities that come with the delivery: columns of its rows, or a file of its own."""

    source: Literal["delivered"] = Field(description="probabilities that come with the labels")
    columns: dict[Label, str] = Field(
        default_factory=dict, description="class: the column of its probability, where they differ"
    )
    file: str | None = Field(None, description="name of the second file (item column and one column a class)")


class FromText(Model):
    """Word and character TF-IDF, logistic regression."""

    source: Literal["text"] = Field(description="a model of a column of texts")
    column: ColumnName = Field(description="of type string")


class FromEmbedding(Model):
    """Logistic regression on a vector column."""

    source: Literal["embedding"] = Field(description="a model of a column of vectors")
    column: ColumnName = Field(description="of type vector")


class FromTabular(Model):
    """Gradient boosting on numeric columns."""

    source: Literal["tabular"] = Field(description="a model of columns of numbers")
    columns: tuple[ColumnName, ...] = Field(min_length=1, description="of type integer, number or boolean")


Side = Annotated[int, Field(ge=1, le=10_000)]


class FromPixels(Model):
    """Small pictures in a vector column, row by row from the top left."""

    source: Literal["pixels"] = Field(description="a model of small pictures")
    column: ColumnName = Field(description="of type vector, as long as `shape` has values")
    shape: tuple[Side, Side] | tuple[Side, Side, Literal[3]] = Field(description="height, width[, 3 for RGB]")
    maximum: float = Field(255, gt=0, description="the value of full brightness")


class NoPredictions(Model):
    """Nothing but the annotators' agreement; every item needs several."""

    source: Literal["none"] = Field(description="no model")


Predictions = Annotated[
    Delivered | FromText | FromEmbedding | FromTabular | FromPixels | NoPredictions, Field(discriminator="source")
]
