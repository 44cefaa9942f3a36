"""How sure a model may be: temperature scaling, and what it then says of flagged labels.

Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

ROWS = 5_000
"""Rows that the temperature is fitted on: evenly spread, so the same for the same rows."""


def power(log_probs: np.ndarray, labels: np.ndarray) -> float:
    """The power (inverse temperature, .05 to 20) under which labels (n,) are likeliest given log P (n, K).

    >>> unsure, right = np.log([[.6, .4], [.4, .6]]), np.array([0, 1])
    >>> power(unsure, right) > 1 > power(unsure, 1 - right)
    True
    """
    step = max(1, len(labels) // ROWS)
    log_probs, labels = log_probs[::step], labels[::step]
    own = log_probs[np.arange(len(labels)), labels]

    def surprise(log_power: float) -> float:
        scaled = np.exp(log_power) * log_probs
        top = scaled.max(1)
        return float((top + np.log(np.exp(scaled - top[:, None]).sum(1)) - np.exp(log_power) * own).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=np.log([0.05, 20.0]), method="bounded").x))


def posterior(
    labels: np.ndarray, suggested: np.ndarray, flagged: np.ndarray, pred_probs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What each row's true class is, given its label too: ((n, K) rows sum to 1, the transition T (K, K) behind it).

    labels, suggested (n,) int codes; flagged (n,) bool; pred_probs (n, K). With Q the predictions, scaled to suit the
    labels as corrected, and T the rates of wrong labels as flagged, [true, given]: proportional to Q_k T_ky. It rests
    on the model's own word: where the model errs with confidence, it doubts the label too much.
    """
    classes = pred_probs.shape[1]
    corrected = np.where(flagged, suggested, labels)
    rates = np.full((classes, classes), 0.5)
    np.add.at(rates, (suggested[flagged], labels[flagged]), 1)
    np.fill_diagonal(rates, 0)
    rates /= np.maximum(np.bincount(corrected, minlength=classes), 1)[:, None]
    rates *= np.minimum(1, 0.6 / np.maximum(rates.sum(1, keepdims=True), 1e-9))
    transition = rates + np.diag(1 - rates.sum(1))
    log_probs = np.log(np.maximum(pred_probs, 1e-9, dtype=np.float64))
    log_probs *= power(log_probs, corrected)
    log_probs -= log_probs.max(1, keepdims=True)
    joint = np.exp(log_probs, out=log_probs)
    joint *= transition.T[labels]
    joint /= joint.sum(1, keepdims=True)
    return joint, transition
