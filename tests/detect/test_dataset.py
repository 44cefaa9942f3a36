"""Neighbours, copies and outliers of a dataset: what is planted is found, and nothing in clean data."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits, load_wine
from sklearn.metrics import roc_auc_score

from labelaudit.detectors import duplicates, outliers, second_opinions
from labelaudit.detectors.duplicates import find_duplicates
from labelaudit.detectors.outliers import find_outliers
from labelaudit.errors import InvalidInput
from labelaudit.kernels import minhash, neighbours

TEXTS = [
    "The committee approved the annual budget after a short discussion.",
    "A heavy storm closed the mountain road for two days in March.",
    "The new library opens at nine and closes at six on weekdays.",
    "Our team lost the final by a single goal in extra time.",
    "She planted tomatoes and beans behind the old stone house.",
    "The museum shows early maps of the northern coast this summer.",
]


@pytest.fixture(scope="module")
def digits():
    return load_digits().data.astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_neighbours_are_those_of_all_distances(digits, metric: str):
    """Ties by index: pixels are whole numbers, so many squared distances are equal."""
    rows = digits[:600]
    indices, distances = neighbours.nearest(rows, 7, metric)
    every = cdist(rows.astype(float), rows.astype(float), metric)
    np.fill_diagonal(every, np.inf)
    order = np.argsort(every.round(9), axis=1, kind="stable")[:, :7]
    assert np.array_equal(indices, order)
    assert np.allclose(distances, np.take_along_axis(every, order, 1), atol=1e-6)


def test_copies_are_neighbours_at_no_distance_by_index():
    rows = np.repeat(np.array([[0.1, 0.2], [5.3, 1.7]], np.float32), 30, axis=0)
    indices, distances = neighbours.nearest(rows, 3)
    assert indices[0].tolist() == [1, 2, 3]
    assert indices[31].tolist() == [30, 32, 33]
    assert not distances.any()


def test_a_row_of_zeros_has_no_direction():
    indices, distances = neighbours.nearest(np.array([[0, 0], [1, 0], [2, 0.1]]), 2, "cosine")
    assert distances[0].tolist() == [1.0, 1.0]
    assert indices[1].tolist() == [2, 0]


def test_search_by_cells_misses_few_and_is_the_same_twice():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 16))[rng.integers(0, 60, 8_000)] + 0.4 * rng.normal(size=(8_000, 16))
    exact, _ = neighbours.nearest(rows, 5)
    indices, distances = neighbours.nearest(rows, 5, exact_rows=1_000)
    assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(exact, indices, strict=True)]) > 0.95
    again, same = neighbours.nearest(rows, 5, exact_rows=1_000)
    assert np.array_equal(indices, again)
    assert np.array_equal(distances, same)


def test_similar_pairs_are_those_of_all_jaccard_similarities():
    rng = np.random.default_rng(1)
    texts = [*TEXTS, "", "ab"]
    for text in TEXTS * 5:
        place = int(rng.integers(len(text)))
        texts.append(text[:place] + "zz" + text[place + int(rng.integers(12)) :])
    sets = [{text[i : i + 5] for i in range(max(1, len(text) - 4))} for text in texts]
    expected = {
        (i, j): len(a & b) / len(a | b)
        for i, a in enumerate(sets)
        for j, b in enumerate(sets[:i])
        if len(a & b) / len(a | b) >= 0.6
    }
    pairs, similarity = minhash.similar_pairs(texts, 0.6)
    found = dict(zip(map(tuple, pairs.tolist()), similarity, strict=True))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.2])
def test_copies_of_digits_are_found_and_only_they(digits, noise: float):
    """Also among hundreds of exact copies of one row; noise: as a share of the typical distance (16)."""
    rng = np.random.default_rng(2)
    source = rng.choice(len(digits), 90, replace=False)
    shift = rng.normal(size=(90, 64))
    shift *= 16 * noise / np.linalg.norm(shift, axis=1, keepdims=True)
    rows = np.concatenate([digits, digits[source] + shift, np.repeat(digits[:1], 400, axis=0)])
    duplicates = find_duplicates(rows)
    copies = slice(len(digits), len(digits) + 90)
    assert (duplicates.group[copies] == duplicates.group[source]).mean() > 0.98
    assert (duplicates.group[-400:] == duplicates.group[0]).all()
    assert (duplicates.kind[-400:] == "exact").all()
    assert set(duplicates.kind[copies]) == {"exact" if noise == 0 else "near"}
    others = np.setdiff1d(np.arange(1, len(digits)), source)
    assert (duplicates.group[others] >= 0).mean() < 0.005
    assert not duplicates.is_conflict.any()


def test_clean_data_hold_no_copies(digits):
    rng = np.random.default_rng(3)
    for rows in (digits, rng.normal(size=(2_000, 3)), rng.normal(size=(2_000, 40))):
        assert find_duplicates(rows).groups == 0


def test_groups_are_numbered_by_first_row_and_conflicts_by_label():
    rows = np.array([[5.0, 0], [1, 1], [-0.0, 2], [1, 1], [0.0, 2], [1, 1]])
    duplicates = find_duplicates(rows, labels=["a", "b", "c", "b", "d", "b"])
    assert duplicates.group.tolist() == [-1, 0, 1, 0, 1, 0]
    assert duplicates.kind.tolist() == ["", "exact", "exact", "exact", "exact", "exact"]
    assert duplicates.is_conflict.tolist() == [False, False, True, False, True, False]
    assert duplicates.nearest[1:].tolist() == [3, 4, 1, 2, 1]
    assert duplicates.distance[1:].tolist() == [0, 0, 0, 0, 0]
    assert duplicates.groups == 2


def test_edited_texts_are_near_copies_and_the_same_topic_is_not():
    edited = [TEXTS[0].upper() + "  ", TEXTS[1].replace("heavy", "severe"), TEXTS[2] + " Entry is free."]
    topic = ["The old library was closed for six weeks.", "A storm in May closed two schools."]
    duplicates = find_duplicates([*TEXTS, *edited, *topic], labels=[*"abcdef", "a", "x", "c", "g", "h"])
    assert duplicates.group.tolist() == [0, 1, 2, -1, -1, -1, 0, 1, 2, -1, -1]
    assert duplicates.kind.tolist() == ["exact", "near", "near", "", "", "", "exact", "near", "near", "", ""]
    assert np.flatnonzero(duplicates.is_conflict).tolist() == [1, 7]
    assert duplicates.nearest[:3].tolist() == [6, 7, 8]
    assert duplicates.distance[0] == 0
    assert 0 < duplicates.distance[1] < 0.4


@pytest.mark.parametrize("rows", [np.zeros((1, 2)), np.zeros((5, 2)), np.arange(4.0)[:, None]])
def test_few_or_equal_rows_are_no_trouble(rows):
    duplicates = find_duplicates(rows)
    assert duplicates.groups == (1 if len(rows) == 5 else 0)
    assert len(duplicates.nearest) == len(rows)


@pytest.mark.parametrize(
    ("features", "change", "said"),
    [
        ([[1.0], [np.nan]], {}, r"features\[1\] is not finite"),
        ([1.0, 2.0], {}, r"\(2,\)"),
        ([[1.0], ["a"]], {}, "numbers"),
        ([[1.0], [2.0]], {"labels": [1]}, "n = 2"),
        ([[1.0], [2.0]], {"metric": "manhattan"}, "manhattan"),
        (["a", "b"], {"text_similarity": 0}, "text_similarity"),
    ],
)
def test_what_does_not_fit_is_refused(features, change, said):
    with pytest.raises(InvalidInput, match=said):
        find_duplicates(features, **change)


def test_outliers_of_digits_are_found_and_few_digits_flagged(digits):
    rng = np.random.default_rng(4)
    strange = np.concatenate([rng.integers(0, 17, (30, 64)), 16 - digits[:30], rng.permuted(digits[:30], axis=1)])
    rows = np.concatenate([digits, strange])
    outliers = find_outliers(rows)
    planted = np.arange(len(rows)) >= len(digits)
    assert roc_auc_score(planted, -outliers.outlier_quality) > 0.99
    assert outliers.is_outlier[planted].mean() > 0.9
    assert outliers.is_outlier[~planted].mean() < 0.01
    assert ((outliers.outlier_quality > 0) & (outliers.outlier_quality < 1)).all()
    assert np.array_equal(outliers.is_outlier, outliers.outlier_quality < 0.5)


def test_few_flags_on_clean_data(digits):
    """Rates stated in the report of benchmarks/dataset.py: under 2 %."""
    wine = load_wine().data
    normal = np.random.default_rng(5).normal(size=(2_000, 8))
    for rows in (digits, (wine - wine.mean(0)) / wine.std(0), normal):
        assert find_outliers(rows).is_outlier.mean() < 0.02


def test_another_language_is_an_outlier_among_texts():
    rng = np.random.default_rng(6)
    words = sorted({word for text in TEXTS for word in text.lower().split()})
    usual = [" ".join(rng.choice(words, 12)) for _ in range(200)]
    german = ["Der Wagen fährt schnell über die Brücke.", "Wir haben gestern lange über den Sommer gesprochen."]
    outliers = find_outliers(usual + german)
    assert outliers.is_outlier[-2:].all()
    assert outliers.is_outlier[:-2].mean() < 0.02


def test_rows_all_alike_have_no_outliers_but_the_odd_one():
    rows = np.zeros((50, 4))
    assert not find_outliers(rows).is_outlier.any()
    rows[7] = 3.0
    assert np.argmin(find_outliers(rows).outlier_quality) == 7


@pytest.mark.parametrize(
    ("features", "change", "said"), [([[1.0], [2.0]], {}, "3 rows"), ([[1.0]] * 5, {"cut": 0}, "cut")]
)
def test_outliers_refuse_what_does_not_fit(features, change, said):
    with pytest.raises(InvalidInput, match=said):
        find_outliers(features, **change)


@pytest.mark.parametrize("module", [duplicates, outliers, second_opinions, neighbours, minhash])
def test_examples_in_docstrings_hold(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
