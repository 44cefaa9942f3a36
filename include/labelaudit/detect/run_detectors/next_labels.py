"""What to label next: of the labels that do not stand, those whose new label helps the model most."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labelaudit.detect.features import LEAST_ITEMS, comparable
from labelaudit.detect.run_detectors.entry import RunDetector, Table
from labelaudit.detect.work import Work
from labelaudit.detectors.next_labels import label_next
from labelaudit.values.value import Value

BUDGET, SHOWN_GROUPS, EXAMPLES = 200, 8, 4
MOST_PENDING, MOST_STANDING = 2_000, 6_000
"""Items looked at: of those whose label does not stand the least sure, of the others a sample. The time grows with
their product, and more change the order little."""
WORDS_OF_TEXTS, DIRECTIONS = 20_000, 50


class NextItem(Value):
    item: str
    label: str
    """As published."""
    likely: str
    or_else: str
    """The model's two likeliest classes."""
    value: float
    """What a new label is worth: relative, none is below 0."""
    group: int


class NextGroup(Value):
    """Items that are alike: their share of the errors that the model is expected to make on what does not stand."""

    group: int
    share: float
    pending: int
    standing: int
    examples: tuple[str, ...]


class NextFinding(Value):
    pending: int
    """Items judged now whose label is likely wrong."""
    items: tuple[NextItem, ...]
    """The most valuable first, at most BUDGET."""
    groups: tuple[NextGroup, ...]


def look(work: Work) -> NextFinding | None:
    """None without features or predictions, with few items, and where all labels stand. Gold items stand."""
    if work.features is None or work.class_probs is None:
        return None
    there = work.features.present & np.isfinite(work.class_probs).all(1)
    detection = work.detection
    all_pending = there & work.scope & detection.is_issue & (detection.gold < 0)
    if there.sum() < LEAST_ITEMS or not all_pending.any():
        return None
    places = _chosen(work, all_pending, there & ~detection.is_issue)
    pending = all_pending[places]
    probs = work.class_probs[places].astype(np.float64)
    probs /= probs.sum(1, keepdims=True)
    rows = _coordinates(work, places)
    ordered = label_next(rows, probs, ~pending, probs.argmax(1) != detection.label[places], BUDGET, work.contract.seed)
    likeliest = np.argsort(-probs, axis=1, kind="stable")[:, :2]
    classes, names = work.contract.classes, detection.items[places]
    items = tuple(
        NextItem(
            item=str(names[at]),
            label=classes[detection.label[places[at]]],
            likely=classes[likeliest[at, 0]],
            or_else=classes[likeliest[at, 1]],
            value=round(float(ordered.value[at]), 6),
            group=int(ordered.slice_of[at]) + 1,
        )
        for at in ordered.order
    )
    groups = tuple(
        NextGroup(
            group=number + 1,
            share=round(float(ordered.slice_share[number]), 6),
            pending=int(ordered.slice_rows[number]),
            standing=int(ordered.slice_labelled[number]),
            examples=tuple(item.item for item in items if item.group == number + 1)[:EXAMPLES],
        )
        for number in np.flatnonzero(ordered.slice_rows)[:SHOWN_GROUPS]
    )
    return NextFinding(pending=int(all_pending.sum()), items=items, groups=groups)


def _chosen(work: Work, pending: np.ndarray, standing: np.ndarray) -> np.ndarray:
    """Places of the items to compare, in their order."""
    top = np.partition(work.class_probs, -2, axis=1)[:, -2:]
    unsure, rest = np.flatnonzero(pending), np.flatnonzero(standing)
    margin = (top[:, 1] - top[:, 0])[unsure]
    unsure = unsure[np.argsort(margin, kind="stable")][:MOST_PENDING]
    if len(rest) > MOST_STANDING:
        rest = np.random.default_rng(work.contract.seed).choice(rest, MOST_STANDING, replace=False)
    return np.sort(np.concatenate([unsure, rest]))


def _coordinates(work: Work, places: np.ndarray) -> np.ndarray:
    """The items' features (n, d) as numbers of comparable scale; texts by the main directions of their words."""
    chosen = np.zeros(len(work.scope), bool)
    chosen[places] = True
    values = comparable(work.contract, work.features.of(chosen))
    if isinstance(values, np.ndarray):
        return values
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        words = TfidfVectorizer(sublinear_tf=True, max_features=WORDS_OF_TEXTS).fit_transform(values)
    except ValueError:  # no words at all: every text is as near to every other
        return np.ones((len(values), 1), np.float32)
    if words.shape[1] <= DIRECTIONS:
        return words.toarray().astype(np.float32)
    return TruncatedSVD(DIRECTIONS, random_state=work.contract.seed).fit_transform(words).astype(np.float32)


def lines(finding: NextFinding) -> Iterator[str]:
    """In a sentence, and which come first."""
    first = ", ".join(item.item for item in finding.items[:3])
    yield f"label next: {finding.pending} items whose label does not stand, first {first}; next_labels.csv"


def rows(finding: NextFinding) -> Table:
    return tuple(NextItem.model_fields), [tuple(item.model_dump().values()) for item in finding.items]


NEXT_LABELS = RunDetector(
    name="next_labels",
    title="What to label next",
    model=NextFinding,
    look=look,
    template="next_labels.html",
    lines=lines,
    file="next_labels.csv",
    rows=rows,
)
