"""Wrong labels among single labels, from out-of-sample predicted probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelaudit.detectors.evidence import neighbour_probs, pooled
from labelaudit.errors import InvalidInput
from labelaudit.kernels import confident, scoring


@dataclass(frozen=True)
class LabelErrors:
    """label_quality (n,) in (0, 1), low = likely wrong; is_issue (n,) bool; suggested_label (n,) int.

    issue_rate_range (low, middle, high) is a model-based range and no measurement: confident disagreements, flagged
    labels, all disagreements. weights (M,) sum to 1: what each model counted, and last the neighbours where features
    were given.
    """

    label_quality: np.ndarray
    is_issue: np.ndarray
    suggested_label: np.ndarray
    issue_rate_range: tuple[float, float, float]
    weights: tuple[float, ...] = (1.0,)


def find_label_errors(labels, pred_probs, features=None) -> LabelErrors:
    """Find the labels that are likely wrong.

    labels: int (n,), classes 0 to K - 1. pred_probs: float (n, K), rows sum to 1 (to within .05), *out of sample*: by a
    model that was not trained on the row; or those of several models, (M, n, K) or a list, which are mixed as they
    predict the labels. features: float (n, d), an embedding or columns of comparable scale: the labels of each row's
    nearest neighbours are then evidence too, as far as they predict. Raises InvalidInput where shapes or values do not
    fit.

    >>> found = find_label_errors([0, 1, 1, 1], [[.9, .1], [.2, .8], [.95, .05], [.3, .7]])
    >>> found.is_issue.tolist(), found.suggested_label.tolist()
    ([False, False, True, False], [0, 1, 0, 1])
    """
    listed = isinstance(pred_probs, list | tuple) and len(pred_probs) > 0
    several = np.ndim(pred_probs[0]) == 2 if listed else getattr(pred_probs, "ndim", 0) == 3
    labels, models = _models(labels, pred_probs if several else [pred_probs])
    if features is not None:
        models.append(neighbour_probs(labels, features, models[0].shape[1]))
    weights = (1.0,)
    pred_probs = models[0]
    if len(models) > 1:
        pred_probs, mixed = pooled(labels, models)
        weights = tuple(mixed.tolist())
    noise, seen = confident.survey(labels, pred_probs)
    score = scoring.scores(labels, pred_probs, noise)
    is_issue = scoring.flags(labels, seen.best, score, noise)
    spread = model_based_range(noise, float(is_issue.mean()))
    return LabelErrors(quality_of(score), is_issue, seen.best, spread, weights)


def _models(labels, models: Sequence) -> tuple[np.ndarray, list[np.ndarray]]:
    """labels and every model's predictions, as `validated` gives them; where there are several, their rows checked."""
    if len(models) == 1:
        codes, pred_probs = validated(labels, models[0])
        return codes, [pred_probs]
    made = []
    for number, model in enumerate(models):
        try:
            codes, pred_probs = validated(labels, model)
            if number and pred_probs.shape != made[0].shape:
                raise InvalidInput(f"pred_probs is {pred_probs.shape}, that of model 0 {made[0].shape}")
            confident.look(codes, pred_probs, np.ones(pred_probs.shape[1]))
        except InvalidInput as error:
            raise InvalidInput(f"model {number}: {error}") from None
        made.append(pred_probs)
    return codes, made


def issue_rate_range(labels: np.ndarray, pred_probs: np.ndarray, is_issue: np.ndarray) -> tuple[float, float, float]:
    """The range of LabelErrors for some of its rows: labels (n,), pred_probs (n, K), is_issue (n,)."""
    return model_based_range(confident.survey(*validated(labels, pred_probs))[0], float(is_issue.mean()))


def model_based_range(noise: confident.Noise, flagged: float) -> tuple[float, float, float]:
    """(low, middle, high) of LabelErrors; flagged: the share of flagged rows."""
    return min(noise.off_rate, flagged), flagged, max(noise.disagreement, flagged)


def quality_of(score: np.ndarray) -> np.ndarray:
    """Scores against the label (log odds) as a quality in (0, 1).

    Half the score goes into the logistic function: so float64 still tells very good labels apart.
    """
    return 1 / (1 + np.exp(np.clip(score / 2, -36, 300)))


def validated(labels, pred_probs) -> tuple[np.ndarray, np.ndarray]:
    """labels (n,) int64 and pred_probs (n, K) float32, or InvalidInput; rows are checked where they are looked at."""
    labels, pred_probs = np.asarray(labels), np.asarray(pred_probs)
    if pred_probs.ndim != 2 or pred_probs.shape[1] < 2:
        raise InvalidInput(f"pred_probs must be (n, K) with K >= 2, not {pred_probs.shape}")
    if labels.shape != pred_probs.shape[:1] or not len(labels):
        raise InvalidInput(f"labels must be (n,) with n = {len(pred_probs)} >= 1, not {labels.shape}")
    if labels.dtype.kind not in "iu":
        raise InvalidInput(f"labels must be integers from 0 to K - 1, not {labels.dtype}")
    if labels.min() < 0 or labels.max() >= pred_probs.shape[1]:
        raise InvalidInput(f"labels go from {labels.min()} to {labels.max()}; K is {pred_probs.shape[1]}")
    return np.ascontiguousarray(labels, np.int64), np.ascontiguousarray(pred_probs, np.float32)
