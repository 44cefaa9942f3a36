"""What all values are: frozen pydantic models that cross XCom and come back equal."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

View = Literal["customer", "internal"]
"""Whose eyes a text is for: internally annotators go by their names, to the customer as the contract says."""


class Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
