"""Accuracy floors on tables that scikit-learn ships or makes: the score against P_y alone, cleanlab's default ranking.

benchmarks/label_errors.py measures many more, beside cleanlab itself.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

import labelaudit
from benchmarks.label_errors import simulated
from benchmarks.noisy_tables import NOISES, NoisySet, made

pytestmark = pytest.mark.slow

NOISY = [noise for noise in NOISES if noise != "none"]


@pytest.fixture(scope="module")
def sets() -> list[NoisySet]:
    tables, models = ("wine", "made (2)", "made (4)"), ("logistic", "naive Bayes", "neighbours")
    return [noisy_set for table in tables for noise in NOISY for noisy_set in made(table, noise, models)]


def gains(sets: list[NoisySet]) -> np.ndarray:
    """AUROC and AUPRC of the score less those of P_y, (sets, 2)."""
    found = []
    for noisy_set in sets:
        alone = noisy_set.pred_probs[np.arange(len(noisy_set.labels)), noisy_set.labels]
        quality = labelaudit.find_label_errors(noisy_set.labels, noisy_set.pred_probs).label_quality
        found.append(
            [
                measure(noisy_set.wrong, -quality) - measure(noisy_set.wrong, -alone)
                for measure in (roc_auc_score, average_precision_score)
            ]
        )
    return np.array(found)


@pytest.mark.parametrize("by", ["noise", "model", "table"])
def test_the_score_ranks_better_than_self_confidence_in_every_family(sets, by: str):
    """Means over a kind of noise, a kind of model (naive Bayes included), a table."""
    for name in {getattr(noisy_set, by) for noisy_set in sets}:
        auroc, auprc = gains([noisy_set for noisy_set in sets if getattr(noisy_set, by) == name]).mean(0)
        assert auroc > (-0.001 if name == "open-set" else 0), f"{by} {name}"
        assert auprc > (-0.005 if name == "open-set" else 0), f"{by} {name}"


def test_one_way_confusions_are_used(sets):
    """Labels of two classes too: where one is often called the other, and hardly ever the other way round."""
    auroc, auprc = gains([noisy_set for noisy_set in sets if noisy_set.noise in ("sparse", "one-sided")]).mean(0)
    assert auroc > 0.008
    assert auprc > 0.05


def test_flags_have_a_floor(sets):
    scores = [
        f1_score(noisy_set.wrong, labelaudit.find_label_errors(noisy_set.labels, noisy_set.pred_probs).is_issue)
        for noisy_set in sets
    ]
    assert np.mean(scores) > 0.59


def test_few_labels_of_a_clean_table_are_flagged():
    for noisy_set in made("wine", "none", ("logistic", "neighbours")):
        assert labelaudit.find_label_errors(noisy_set.labels, noisy_set.pred_probs).is_issue.mean() < 0.035


@pytest.mark.parametrize("classes", [3, 10, 100])
@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_what_is_far_apart_is_flagged_however_modest_the_model(classes: int, rate: float):
    """A model that is right where the label is wrong, but sure of little: its disagreements are wrong labels."""
    _, pred_probs = simulated(20_000, classes)
    truth = pred_probs.argmax(1)
    rng = np.random.default_rng(1)
    labels = np.where(rng.random(len(truth)) < rate, rng.integers(0, classes, len(truth)), truth)
    errors = labelaudit.find_label_errors(labels, pred_probs)
    assert f1_score(labels != truth, errors.is_issue) > 0.92
