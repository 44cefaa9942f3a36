"""Wrong labels out of core: files read ahead on threads, passes over them, and what is known when."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import labelaudit
from labelaudit.errors import InvalidInput
from labelaudit.kernels import confident, scoring
from labelaudit.storage.parquet_shards import parquet_shards

ROWS, CLASSES, GROUP = 5_000, 4, 600
FORMS = ["lists", "fixed lists", "doubles", "binary"]


@pytest.fixture(scope="module")
def labelled():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, CLASSES, ROWS)
    pred_probs = rng.random((ROWS, CLASSES)).astype(np.float32) ** 4
    pred_probs[np.arange(ROWS), labels] += 1
    pred_probs /= pred_probs.sum(1, keepdims=True)
    return np.where(rng.random(ROWS) < 0.1, rng.integers(0, CLASSES, ROWS), labels), pred_probs


def column(pred_probs: np.ndarray, form: str) -> pa.Array:
    if form == "binary":
        return pa.array([row.tobytes() for row in pred_probs], pa.binary(4 * CLASSES))
    kind = {"fixed lists": pa.list_(pa.float32(), CLASSES), "doubles": pa.list_(pa.float64())}
    return pa.array(pred_probs.tolist(), kind.get(form, pa.list_(pa.float32())))


def written(path, labels, vectors, group=GROUP):
    pq.write_table(pa.table({"label": labels, "pred_probs": vectors}), path, row_group_size=group)
    return path


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("parquet_shards")]


@pytest.mark.parametrize("form", FORMS)
def test_a_file_gives_the_bits_that_memory_gives(form, labelled, tmp_path):
    labels, pred_probs = labelled
    path = written(tmp_path / "rows.parquet", labels, column(pred_probs, form))
    made = labelaudit.find_label_errors_in_shards(parquet_shards(path), CLASSES)
    parts, whole = list(made.parts()), labelaudit.find_label_errors(labels, pred_probs)
    assert [len(part.is_issue) for part in parts] == [GROUP] * 8 + [200]
    for name in ("label_quality", "is_issue", "suggested_label"):
        assert np.concatenate([getattr(part, name) for part in parts]).tobytes() == getattr(whole, name).tobytes()
    assert (made.rows, made.flagged, made.issue_rate_range) == (ROWS, whole.is_issue.sum(), whole.issue_rate_range)


def test_flags_are_counted_with_the_parts_or_when_asked_for(labelled):
    """Two passes find the noise; a third judges, and is not repeated for the rate."""
    labels, pred_probs = labelled
    passes = []

    def shards():
        passes.append(1)
        return [(labels[:999], pred_probs[:999]), (labels[999:], pred_probs[999:])]

    made = labelaudit.find_label_errors_in_shards(shards, CLASSES)
    assert len(passes) == 2
    flagged = sum(int(part.is_issue.sum()) for part in made.parts())
    assert made.flagged == flagged > 0
    assert made.issue_rate_range[1] == flagged / ROWS
    assert len(passes) == 3

    stopped = labelaudit.find_label_errors_in_shards(shards, CLASSES)
    assert next(stopped.parts()).is_issue.sum() < flagged
    assert stopped.flagged == flagged, "a consumer that stopped early has not counted all"


def test_no_reader_is_left_when_a_consumer_stops_early(labelled, tmp_path):
    labels, pred_probs = labelled
    shards = parquet_shards(written(tmp_path / "rows.parquet", labels, column(pred_probs, "lists")))
    reading = shards()
    next(reading)
    assert readers()
    reading.close()
    assert not readers()
    for _ in shards():
        break
    assert not readers()
    made = labelaudit.find_label_errors_in_shards(shards, CLASSES)
    next(made.parts())
    assert not readers()


def test_no_reader_is_left_by_a_bad_row_and_its_shard_is_named(labelled, tmp_path):
    labels, pred_probs = labelled
    bad = pred_probs.copy()
    bad[GROUP + 7] = np.nan
    path = written(tmp_path / "rows.parquet", labels, column(bad, "lists"))
    with pytest.raises(InvalidInput, match=r"shard 1: pred_probs\[7\] is no distribution") as raised:
        labelaudit.find_label_errors_in_shards(parquet_shards(path), CLASSES)
    assert not readers()
    with pytest.raises(InvalidInput, match=r"shard 0: pred_probs must be \(n, 9\)"):
        labelaudit.find_label_errors_in_shards(parquet_shards(path), 9)
    assert raised.tb is not None, "the first error still holds its frames"
    assert not readers()


@pytest.mark.parametrize(
    ("place", "vectors", "message"),
    [
        (1, pa.array([[0.5, 0.5], [0.5, 0.5], [1.0], [0.2, 0.3, 0.5]]), "lists of several lengths"),
        (1, pa.array([[0.5, 0.5], [0.5, 0.5], None, [0.5, 0.5]]), "1 rows without a value"),
        (1, pa.array([[0.5, 0.5], [0.5, 0.5], [0.5, None], [0.5, 0.5]]), "1 lists with a missing number"),
        (0, pa.array([b"12345"] * 4, pa.binary(5)), "5 bytes a row"),
        (0, pa.array(["a"] * 4), "is string: neither lists of floats nor fixed-size binary"),
        (0, pa.array([["a", "b"]] * 4), "neither lists of floats nor fixed-size binary"),
    ],
)
def test_a_column_that_is_no_matrix_is_refused_by_row_group(place, vectors, message, tmp_path):
    """Lists of 1 and 3 numbers are as many as two of 2: they must not be read across rows."""
    path = written(tmp_path / "rows.parquet", [0, 1, 0, 1], vectors, group=2)
    with pytest.raises(InvalidInput, match=f"row group {place}: column 'pred_probs' .*{message}"):
        list(parquet_shards(path)())
    assert not readers()


def test_row_groups_ahead_are_bounded(labelled, tmp_path, monkeypatch):
    """One that is worked on, and one a thread: no more are asked for."""
    labels, pred_probs = labelled
    path = written(tmp_path / "rows.parquet", labels, column(pred_probs, "binary"))
    asked, submit = [], ThreadPoolExecutor.submit

    def noted(self, read, number, *arguments):
        asked.append(number)
        return submit(self, read, number, *arguments)

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", noted)
    reading = parquet_shards(path)()
    next(reading)
    assert asked == [0, 1, 2]
    next(reading)
    assert asked == [0, 1, 2, 3]
    reading.close()


def test_a_file_without_rows_has_no_shards(tmp_path):
    path = written(tmp_path / "rows.parquet", pa.array([], pa.int64()), pa.array([], pa.list_(pa.float32())))
    with pytest.raises(InvalidInput, match="no rows in any shard"):
        labelaudit.find_label_errors_in_shards(parquet_shards(path), CLASSES)


def test_judging_gives_what_looking_and_scoring_give(labelled):
    """Also for ties with the label, which go to the label, and for ties without it, which go to the first."""
    labels, pred_probs = labelled
    pred_probs = pred_probs.copy()
    pred_probs[:4] = 0.25
    pred_probs[4] = 0.4, 0.1, 0.4, 0.1
    labels = labels.copy()
    labels[:5] = 0, 1, 2, 3, 1
    noise, seen = confident.survey(labels, pred_probs)
    best, score, flagged = scoring.judge(labels, pred_probs, noise, scoring.weights(noise))
    assert best[:5].tolist() == [0, 1, 2, 3, 0]
    assert best.tobytes() == seen.best.tobytes()
    assert score.tobytes() == scoring.scores(labels, pred_probs, noise).tobytes()
    assert flagged.tobytes() == scoring.flags(labels, best, score, noise).tobytes()


def test_the_joint_is_the_same_counted_in_parts_or_at_once(labelled, monkeypatch):
    labels, pred_probs = (np.concatenate([part] * 4) for part in labelled)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    in_parts = confident.survey(labels, pred_probs)[1].joint
    monkeypatch.setattr(confident, "FEW_CLASSES", 0)
    assert (in_parts == confident.survey(labels, pred_probs)[1].joint).all()
    assert 0 < in_parts.sum() <= len(labels)


def test_minus_zero_is_a_probability_and_less_is_none():
    labels = [0, 1]
    assert labelaudit.find_label_errors(labels, [[1.0, -0.0], [0.1, 0.9]]).is_issue.tolist() == [False, False]
    with pytest.raises(InvalidInput, match=r"pred_probs\[0\] is no distribution"):
        labelaudit.find_label_errors(labels, [[1.01, -0.01], [0.1, 0.9]])


@pytest.mark.parametrize("confidence", [1.0, 3.0])
@pytest.mark.parametrize("cuts", [(1,), (4096, 4097, 9000), (100, 8192, 19_999)])
def test_shards_give_the_same_bits_however_the_rows_are_cut(cuts, confidence, monkeypatch):
    """Also for an over-confident model, whose flags have a cut of their own; and on one thread."""
    rng = np.random.default_rng(11)
    truth = rng.integers(0, 6, 20_000)
    logits = rng.normal(size=(20_000, 6))
    logits[np.arange(20_000), truth] += 2.0
    labels = np.where(rng.random(20_000) < 0.1, rng.integers(0, 6, 20_000), truth)
    pred_probs = np.exp(confidence * logits)
    pred_probs = (pred_probs / pred_probs.sum(1, keepdims=True)).astype(np.float32)
    whole = labelaudit.find_label_errors(labels, pred_probs)
    pieces = list(zip(np.split(labels, cuts), np.split(pred_probs, cuts), strict=True))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    made = labelaudit.find_label_errors_in_shards(lambda: pieces, 6)
    parts = list(made.parts())
    for name in ("label_quality", "is_issue", "suggested_label"):
        assert np.concatenate([getattr(part, name) for part in parts]).tobytes() == getattr(whole, name).tobytes()
    assert made.issue_rate_range == whole.issue_rate_range
    assert made.flagged == whole.is_issue.sum() > 0


def test_a_bad_row_of_a_shard_is_named_with_its_shard_and_empty_shards_are_nothing():
    good, bad = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.9, 0.1], [0.2, np.nan]])
    empty = (np.zeros(0, int), np.zeros((0, 2)))
    y = np.array([0, 1])
    assert labelaudit.find_label_errors_in_shards(lambda: [empty, (y, good), empty], 2).rows == 2
    with pytest.raises(InvalidInput, match=r"shard 2: pred_probs\[1\] is no distribution"):
        labelaudit.find_label_errors_in_shards(lambda: [(y, good), empty, (y, bad)], 2)
    with pytest.raises(InvalidInput, match="shard 1: labels go from 0 to 2"):
        labelaudit.find_label_errors_in_shards(lambda: [(y, good), (y * 2, good)], 2)
    with pytest.raises(InvalidInput, match="no rows"):
        labelaudit.find_label_errors_in_shards(lambda: [empty], 2)
