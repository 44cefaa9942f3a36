"""Finds the wrong labels of what was accepted, together with the history, and writes the tables that `publish` commits.

Scope: the items of the new deliveries, and those that a superseded delivery touched. The history is context: its items
train the predictions and tell the annotators apart, but are not judged again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from labelaudit.contracts.model import Contract
from labelaudit.detect.counts import counts_of
from labelaudit.detect.dataset import look_at_dataset
from labelaudit.detect.delivery_counts import shares_of
from labelaudit.detect.features import features_of
from labelaudit.detect.findings import findings_of
from labelaudit.detect.gold import read_gold
from labelaudit.detect.history import read_history
from labelaudit.detect.one_thread import one_blas_thread
from labelaudit.detect.outputs import annotations_table, digest_of, labels_table
from labelaudit.detect.predictions import predictions_of
from labelaudit.detect.run_detectors import looking
from labelaudit.detect.work import Work
from labelaudit.detectors.consensus import codes_of
from labelaudit.storage import layout, release_log
from labelaudit.storage.parquet import read_table, write_table
from labelaudit.storage.store import Store
from labelaudit.tasks import task_of
from labelaudit.tasks.judged import Given, Predicted
from labelaudit.tasks.texts import texts
from labelaudit.values.counted import Shares
from labelaudit.values.deliveries import CheckedDelivery, Found
from labelaudit.values.releases import Audit

Progress = Callable[[int, int], None]


def audit(
    contract: Contract,
    found: Found,
    checked: Sequence[CheckedDelivery],
    store: Store,
    destination: Store,
    progress: Progress | None = None,
) -> Audit:
    """Judge the accepted deliveries. The same inputs give the same bytes, and the same release name.

    Raises AuditImpossible where there are neither predictions nor overlapping annotators.
    """
    with one_blas_thread():
        return _audit(contract, found, checked, store, destination, progress)


def _audit(
    contract: Contract,
    found: Found,
    checked: Sequence[CheckedDelivery],
    store: Store,
    destination: Store,
    progress: Progress | None,
) -> Audit:
    accepted = [delivery for delivery in checked if delivery.accepted]
    superseded = _superseded(accepted, release_log.published_deliveries(destination))
    work = _work(contract, found, accepted, superseded, store, destination, progress)
    prefix = layout.run(contract.customer, contract.dataset, found.run)
    keys = {name: f"{prefix}{name}" for name in ("labels.parquet", "annotations.parquet", "findings.json")}
    shares = f"{prefix}shares.json"
    labels, annotations = labels_table(work), annotations_table(work)
    write_table(store, keys["labels.parquet"], labels)
    write_table(store, keys["annotations.parquet"], annotations)
    parts = task_of(contract.task).parts(judged=work.judged, items=work.detection.items, chosen=work.scope)
    if parts is not None:
        keys["parts.parquet"] = f"{prefix}parts.parquet"
        write_table(store, keys["parts.parquet"], parts)
    findings = findings_of(work)
    store.write(keys["findings.json"], findings.model_dump_json(indent=1).encode())
    store.write(shares, Shares(shares=shares_of(work, checked)).model_dump_json().encode())
    # what further detectors say follows from all that is bound: a new one renames no release
    bound = findings.model_copy(update={"further": {}}).model_dump_json(indent=1).encode()
    contents = [store.read(keys["labels.parquet"]), store.read(keys["annotations.parquet"]), bound]
    digest = digest_of(contract, found, checked, superseded, contents)
    judged = labels.num_rows - len(work.removed)
    return Audit(
        run=found.run,
        release=f"r{found.sequence:04d}-{digest[:8]}",
        digest=digest,
        found=found,
        checked=tuple(checked),
        superseded=superseded,
        labels=keys["labels.parquet"],
        annotations=keys["annotations.parquet"],
        parts=keys.get("parts.parquet"),
        findings=keys["findings.json"],
        shares=shares,
        items=judged,
        annotations_rows=int(work.current.sum()),
        issues=int(pa.compute.sum(labels["is_issue"]).as_py() or 0),
        counts=counts_of(work, checked),
        alpha=work.detection.agreement.alpha.value if work.detection.agreement else None,
        issue_rate_range=work.detection.issue_rate_range,
        detector=task_of(contract.task).DETECTOR,
        predictions_note=work.predictions_note,
    )


def _superseded(accepted: Sequence[CheckedDelivery], published: dict[str, str]) -> tuple[str, ...]:
    """Published deliveries that this run replaces: named by a newer one, or audited again."""
    named = {f"{delivery.delivery.vendor}/{old}" for delivery in accepted for old in delivery.delivery.supersedes}
    again = {delivery.delivery.name for delivery in accepted}
    return tuple(sorted((named | again) & set(published)))


def _work(
    contract: Contract,
    found: Found,
    accepted: Sequence[CheckedDelivery],
    superseded: Sequence[str],
    store: Store,
    destination: Store,
    progress: Progress | None,
) -> Work:
    new = pd.concat([_accepted_rows(contract, delivery, store) for delivery in accepted], ignore_index=True)
    # when a label came, for drift: the release it was first judged in, and the delivery's place in that
    place = {
        delivery.delivery.name: found.sequence + number / len(accepted) for number, delivery in enumerate(accepted)
    }
    new["sequence"] = new["delivery"].map(place)
    limit = contract.history.max_items
    old, touched = read_history(contract, store, destination, new["item"].unique(), superseded, limit)
    new_items = len(set(new["item"]) - set(old["item"]) - touched)
    rows = pd.concat([old, new], ignore_index=True) if len(old) else new
    unique = ["item", "annotator" if "annotator" in contract.columns else "vendor"]
    replaced = rows.duplicated(unique, keep="last")
    rows = rows[~replaced].sort_values([*unique, "delivery"], kind="stable").reset_index(drop=True)
    items, codes = codes_of(rows["item"].to_numpy(object))
    in_scope = pd.Index(items).isin(set(new["item"]) | touched)
    features = features_of(contract, rows, codes, len(items))
    names, people = codes_of(rows[unique[1]].to_numpy(object))

    def predict(labels: np.ndarray, of: int | None) -> Predicted:
        return predictions_of(contract, rows, items, codes, labels, in_scope, features, progress, of)

    given = Given(contract, items, rows["label"].to_numpy(object), codes, people, in_scope, read_gold(contract, store))
    judged = task_of(contract.task).judge(given, predict)
    detection, labels, pred_probs = judged.detection, judged.labels, judged.pred_probs
    detection = replace(detection, items=items, annotators=names)
    dataset = look_at_dataset(contract, features, detection)
    return Work(
        contract=contract,
        rows=rows,
        judged=judged,
        detection=detection,
        codes=codes,
        people=people,
        labels=labels,
        features=features,
        scope=in_scope,
        current=rows["delivery"].isin([delivery.delivery.name for delivery in accepted]).to_numpy(),
        pred_probs=pred_probs,
        class_probs=pred_probs if task_of(contract.task).IS_DISTRIBUTION else None,
        dataset=dataset,
        predictions_note=judged.note,
        not_checked=judged.not_checked,
        new_items=new_items,
        removed=sorted(touched - set(items)),
        replaced=int(replaced.sum()),
    )


def _accepted_rows(contract: Contract, checked: CheckedDelivery, store: Store) -> pd.DataFrame:
    """The accepted rows that an audit needs: ids, label, features, delivered probabilities."""
    wanted = [name for name in ("item", "annotator", "label") if name in contract.columns]
    wanted += [name for name in contract.feature_columns if name not in wanted]
    wanted += looking.columns(contract)
    in_rows = contract.probability_columns and not checked.predictions
    rows = texts(read_table(store, checked.table, [*wanted, "pred_probs"] if in_rows else wanted)).to_pandas()
    if checked.predictions:
        apart = read_table(store, checked.predictions, ["item", "pred_probs"]).to_pandas()
        rows["pred_probs"] = rows["item"].map(apart.set_index("item")["pred_probs"])
    return rows.assign(vendor=checked.delivery.vendor, delivery=checked.delivery.name)
