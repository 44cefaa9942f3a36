"""A column of texts: words and characters, weighted, and logistic regression.

Among texts there is no good distance: the neighbours' votes add nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from labelaudit.contracts.model import Contract

SLICED_BY = "words"
SHOWN_CHARACTERS = 600
MAX_TEXT_FEATURES = 60_000
WORD = r"(?u)\b\w+\b"


def present(contract: Contract, cells: pd.DataFrame) -> np.ndarray:
    """A text that is not blank."""
    texts = cells[contract.feature_columns[0]].tolist()
    return np.array([isinstance(text, str) and not text.isspace() and text != "" for text in texts], bool)


def values(contract: Contract, cells: pd.DataFrame, present: np.ndarray) -> list[str]:
    known = zip(cells[contract.feature_columns[0]].tolist(), present.tolist(), strict=True)
    return [text if there else "" for text, there in known]


def matrix(features: Any) -> Any:
    import scipy.sparse as sp
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = {"sublinear_tf": True, "dtype": np.float32, "max_features": MAX_TEXT_FEATURES}
    parts = [
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=WORD, **words),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **words),
    ]
    made = []
    for part in parts:
        try:
            made.append(part.fit_transform(features))
        except ValueError:  # no words at all: the other part may have something
            continue
    return sp.hstack(made, "csr") if made else np.zeros((len(features), 1), np.float32)


def models(contract: Contract, rows: int) -> list[Any]:
    from sklearn.linear_model import LogisticRegression

    return [LogisticRegression(C=10.0, max_iter=100, random_state=contract.seed)]


def evidence(contract: Contract, row: pd.Series) -> dict[str, Any]:
    return {"text": row[contract.feature_columns[0]][:SHOWN_CHARACTERS]}
