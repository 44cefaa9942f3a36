"""One label from several annotators: ours beside cleanlab's CROWDLAB and crowd-kit, on the same rows in one process.

    python -m benchmarks.consensus

Agreement is checked: all methods judge the same items, and majority vote gives the same labels as crowd-kit's wherever
it is not a tie.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

import labelaudit
from benchmarks import public_data


def main() -> None:
    warnings.simplefilter("ignore")
    if not public_data.present():
        raise SystemExit(f"the public data are not at {public_data.FOLDER}; set LABELAUDIT_DATA")
    table = Table("data", "labels", "method", "accuracy", "AUROC of quality", "s", "ratio")
    for name in ("cifar10n", "product-match"):
        data = public_data.delivered(name)
        methods = {"ours": ours, "crowd-kit Dawid-Skene": dawid_skene, "crowd-kit GLAD": glad, "majority": majority}
        if data.predictions is not None:
            methods = {"ours": ours, "cleanlab CROWDLAB": crowdlab, "crowd-kit Dawid-Skene": dawid_skene}
        found: dict[str, tuple[pd.Series, pd.Series, float]] = {}
        for method, call in methods.items():
            started = time.perf_counter()
            labels, quality = call(data)
            found[method] = (labels.sort_index(), quality.sort_index(), time.perf_counter() - started)
        reference = found["ours"]
        for method, (labels, quality, seconds) in found.items():
            assert labels.index.equals(reference[0].index), f"{method} judges other items"
            right = labels.to_numpy() == data.truth.loc[labels.index].to_numpy()
            table.add_row(
                name if method == "ours" else "",
                f"{len(data.labels):,}" if method == "ours" else "",
                method,
                f"{right.mean():.4f}",
                f"{roc_auc_score(right, quality):.4f}",
                f"{seconds:.2f}",
                "" if method == "ours" else f"{seconds / reference[2]:.1f} x",
            )
        check_majority(data)
    Console(width=110).print(table)


def arrays(data: public_data.Delivered) -> tuple[list[np.ndarray], np.ndarray | None, list[str]]:
    columns = [data.labels[name].to_numpy(str) for name in ("item_id", "annotator_id", "label")]
    if data.predictions is None:
        return columns, None, sorted(set(columns[2]))
    by_item = data.predictions.set_index("item_id").loc[np.unique(columns[0])]
    return columns, by_item.to_numpy(), list(by_item.columns)


def ours(data: public_data.Delivered) -> tuple[pd.Series, pd.Series]:
    columns, pred_probs, classes = arrays(data)
    made = labelaudit.aggregate_labels(*columns, pred_probs, classes)
    return pd.Series(made.label, made.items), pd.Series(made.quality, made.items)


def crowdlab(data: public_data.Delivered) -> tuple[pd.Series, pd.Series]:
    from cleanlab.multiannotator import get_label_quality_multiannotator

    _, pred_probs, classes = arrays(data)
    codes = data.labels.assign(label=pd.Categorical(data.labels["label"], classes).codes)
    wide = codes.pivot(index="item_id", columns="annotator_id", values="label").sort_index()
    made: Any = get_label_quality_multiannotator(wide, pred_probs, verbose=False)["label_quality"]
    labels = np.array(classes)[made["consensus_label"].to_numpy(int)]
    return pd.Series(labels, wide.index), pd.Series(made["consensus_quality_score"].to_numpy(), wide.index)


def crowd_frame(data: public_data.Delivered) -> pd.DataFrame:
    return data.labels.rename(columns={"item_id": "task", "annotator_id": "worker"})[["task", "worker", "label"]]


def fitted(model: Any, data: public_data.Delivered) -> tuple[pd.Series, pd.Series]:
    labels = model.fit_predict(crowd_frame(data))
    return labels, model.probas_.max(axis=1).loc[labels.index]


def dawid_skene(data: public_data.Delivered) -> tuple[pd.Series, pd.Series]:
    from crowdkit.aggregation import DawidSkene

    return fitted(DawidSkene(n_iter=100), data)


def glad(data: public_data.Delivered) -> tuple[pd.Series, pd.Series]:
    from crowdkit.aggregation import GLAD

    return fitted(GLAD(n_iter=20), data)


def majority(data: public_data.Delivered) -> tuple[pd.Series, pd.Series]:
    from crowdkit.aggregation import MajorityVote

    return fitted(MajorityVote(), data)


def check_majority(data: public_data.Delivered) -> None:
    """Both majority votes agree on every item that has one most frequent label."""
    columns, pred_probs, classes = arrays(data)
    made = labelaudit.aggregate_labels(*columns, pred_probs, classes)
    counts = crowd_frame(data).groupby(["task", "label"]).size()
    top = counts.groupby("task").max()
    clear = (counts == top.reindex(counts.index, level="task")).groupby("task").sum() == 1
    theirs = majority(data)[0].sort_index()
    mine = pd.Series(made.majority, made.items).sort_index()
    assert (theirs == mine)[clear[clear].index].all(), "the majority votes differ"


if __name__ == "__main__":
    main()
