"""How predictions are made from rows: a module a source of the contract, of the same name.

    present(contract, cells)          which rows (n,) bool have what predictions are made from
    values(contract, cells, present)  the features: a list of texts, or a float matrix (n, d)
    matrix(features)                  what models are trained on
    models(contract, rows)            unfitted classifiers for so many rows, whose probabilities are pooled
    evidence(contract, row)           what a person is shown of an item: fields of `WorstItem`
    SLICED_BY                         what weak slices are called by: `columns`, `words`, or nothing

`cells` hold the contract's feature columns, `row` all of a row.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from labelaudit.contracts.model import Contract
from labelaudit.errors import InternalError


def source_of(contract: Contract) -> ModuleType:
    """The module of the contract's source. Raises InternalError where we have none of its name."""
    path = f"{__name__}.{contract.predictions.source}"
    if find_spec(path) is None:
        raise InternalError(f"predictions from {contract.predictions.source!r} have no module {path}")
    return import_module(path)


def neighbours(rows: int) -> Any:
    """The votes of the nearest neighbours among `rows` rows of comparable scale."""
    from sklearn.impute import SimpleImputer
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from labelaudit.detectors.evidence import NEIGHBOURS

    votes = KNeighborsClassifier(min(NEIGHBOURS, rows))
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), votes)
