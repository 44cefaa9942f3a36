"""Draws the sample of a release that people audit.

Two parts, and one task an item even where it is in both. With `human_audit`: items of the release, stratified by doubt
(1 - label_quality). With acceptance by a plan: of every accepted delivery (the lot) the first items in random order, as
many as the plan can need. All tasks stand in one random order of all items that knows nothing of strata, lots or
labels: so whatever people have answered from the top is a random part of each stratum, and of each lot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from labelaudit.acceptance.plan import AcceptancePlan
from labelaudit.acceptance.sequential import sequential_plan
from labelaudit.acceptance.single import single_plan
from labelaudit.contracts.model import Contract
from labelaudit.contracts.quality import Acceptance, HumanAudit
from labelaudit.errors import InvalidInput
from labelaudit.human_audit import samples, task_files
from labelaudit.human_audit.samples import Lot, Sample, SamplePlan
from labelaudit.rates.defect_rates import draw as draw_items
from labelaudit.rates.defect_rates import plan_audit, stratify
from labelaudit.rates.expected_rates import mean_logits
from labelaudit.storage import layout, release_log, tables
from labelaudit.storage.parquet import read_table
from labelaudit.storage.store import Store
from labelaudit.values.releases import Audit

LABELS = ["item", "label", "given_label", "label_quality"]
PEOPLE = ["item", "vendor", "delivery", "annotator", "label"]


def lot_plan(acceptance: Acceptance, items: int | None) -> AcceptancePlan:
    """The sampling plan of a lot of `items`, as the contract's acceptance (single or sequential) states it."""
    make = single_plan if acceptance.by == "single" else sequential_plan
    producer, consumer = acceptance.producer, acceptance.consumer
    return make(producer.rate, producer.risk, consumer.rate, consumer.risk, items)


def asks_people(contract: Contract) -> bool:
    """Whether people audit the contract's releases: by a human audit, or by a sampling plan."""
    by_plan = contract.acceptance is not None and contract.acceptance.by != "interval"
    return contract.human_audit is not None or by_plan


def draw(contract: Contract, audit: Audit, store: Store) -> str | None:
    """Key of the release's sample; None where the contract asks no people.

    A sample that is there stays. The same contract (its seed) and audit (its digest) draw the same items.
    """
    if not asks_people(contract):
        return None
    if store.exists(key := samples.sample_key(contract, audit.release)):
        return key
    labels = read_table(store, audit.labels).to_pandas()
    labels = labels.loc[~labels["_removed"], LABELS]
    annotations = read_table(store, audit.annotations).to_pandas()
    deliveries = [(delivery.delivery.name, delivery.delivery.vendor) for delivery in audit.checked if delivery.accepted]
    return _draw(contract, store, contract.human_audit, audit.release, audit.digest, labels, annotations, deliveries)


def draw_published(
    contract: Contract, store: Store, destination: Store, release: str, terms: HumanAudit | None = None
) -> str:
    """As `draw`, for a published release, from its rows of `labels` and its file of the history.

    Raises InvalidInput where there is no such release, or its rows or history are gone.
    """
    if layout.is_safe_part(release) and store.exists(key := samples.sample_key(contract, release)):
        return key
    logged, labels = published_labels(contract, destination, release)
    history = f"{layout.history(contract.customer, contract.dataset)}{release}.parquet"
    if not store.exists(history):
        raise InvalidInput(f"{store.uri_of(history)} is gone, so {release} can't be sampled; audit a newer release")
    deliveries = [(name, name.split("/")[0]) for name in logged.deliveries]
    annotations = read_table(store, history).to_pandas()
    terms = terms or contract.human_audit
    return _draw(contract, store, terms, release, logged.digest, labels, annotations, deliveries)


def published_labels(contract: Contract, destination: Store, release: str) -> tuple[release_log.Logged, pd.DataFrame]:
    """A release's log entry and its rows of `labels` as they were published. Raises InvalidInput."""
    logged = {logged.release: logged for logged in release_log.log(destination)}
    if release not in logged:
        there = ", ".join(list(logged)[-5:]) or "none"
        raise InvalidInput(f"{contract.id} has no release {release[:80]!r}; the last ones are: {there}")
    entry = logged[release]
    if tables.expired(destination, layout.LABELS, entry.version):
        raise InvalidInput(f"the rows of {release} have expired; audit a newer release")
    rows = tables.read_table(destination, layout.LABELS, [*LABELS, "release"], entry.version).to_pandas()
    return entry, rows.loc[rows["release"] == release, LABELS].reset_index(drop=True)


def _draw(
    contract: Contract,
    store: Store,
    terms: HumanAudit | None,
    release: str,
    digest: str,
    labels: pd.DataFrame,
    annotations: pd.DataFrame,
    deliveries: Sequence[tuple[str, str]],
) -> str:
    labels = labels.sort_values("item", kind="stable").reset_index(drop=True)
    annotations = annotations[annotations["item"].isin(set(labels["item"]))]
    if "annotator" not in annotations:
        annotations = annotations.assign(annotator=None)
    seed = int.from_bytes(hashlib.sha256(f"{contract.seed} {digest}".encode()).digest()[:8])
    order = np.random.default_rng([seed, 1]).permutation(len(labels))
    plan, codes, chosen = {}, np.zeros(len(labels), np.int64), np.zeros(len(labels), bool)
    if terms and len(labels):
        doubt = doubts(labels)
        codes = stratify(doubt)
        allocated = plan_audit(doubt, half_width=terms.half_width, rows=terms.rows)
        chosen[draw_items(codes, allocated.allocation, seed)] = True
        plan = plan_values(allocated, mean_logits(doubt, codes))
    lots, of_lot = _lots(contract, labels, annotations, deliveries, order)
    stratum = np.where(chosen, codes, -1)
    taken = order[(chosen | of_lot.astype(bool))[order]]
    items = labels.loc[taken, ["item", "label", "given_label"]].assign(
        task=np.arange(len(taken)), stratum=stratum[taken], lots=[of_lot[place] or [] for place in taken]
    )
    people = annotations[annotations["item"].isin(set(items["item"]))]
    sample = Sample(
        plan=SamplePlan(
            release=release, digest=digest, items=len(labels), lots=lots, deliveries=tuple(deliveries), **plan
        ),
        items=items.reset_index(drop=True),
        annotations=people[PEOPLE].reset_index(drop=True),
        strata=_strata(labels, annotations, codes) if plan else _no_strata(),
    )
    prove = task_files.signer(contract, store)
    shown = people.drop_duplicates("item").set_index("item").reindex(items["item"])
    pairs = zip(items["item"], task_files.contents(contract, shown), strict=True)
    tasks = [
        task_files.Task(release=release, item=item, content=text, proof=prove(release, item, text))
        for item, text in pairs
    ]
    task_files.write_tasks(contract, store, samples.prefix(contract, release), tasks)
    return samples.write_sample(contract, store, sample)


def doubts(labels: pd.DataFrame) -> np.ndarray:
    """1 - label_quality (n,), within 0 and 1; an item without a quality is in doubt."""
    return np.nan_to_num(np.clip(1 - labels["label_quality"].to_numpy(float), 0, 1), nan=1.0)


def plan_values(plan, logits: np.ndarray) -> dict:
    return {
        "sizes": tuple(plan.sizes.tolist()),
        "logits": tuple(logits.tolist()),
        "rows": int(plan.rows),
        "half_width": float(plan.half_width),
        "random_rows": int(plan.random_rows),
        "table": tuple((int(rows), float(width)) for rows, width in plan.table),
    }


def _lots(
    contract: Contract,
    labels: pd.DataFrame,
    annotations: pd.DataFrame,
    deliveries: Sequence[tuple[str, str]],
    order: np.ndarray,
) -> tuple[tuple[Lot, ...], np.ndarray]:
    """The lots, and the deliveries (n,) of which each item is sampled: lists, or None."""
    lots, of_lot = [], np.full(len(labels), None, object)
    if contract.acceptance is None or contract.acceptance.by == "interval":
        return (), of_lot
    place = pd.Index(labels["item"])
    for name, vendor in deliveries:
        there = np.zeros(len(labels), bool)
        there[place.get_indexer(annotations.loc[annotations["delivery"] == name, "item"].unique())] = True
        if not there.any():
            continue
        in_order = order[there[order]]
        rows = lot_plan(contract.acceptance, len(in_order)).n
        for row in in_order[:rows]:
            of_lot[row] = [*(of_lot[row] or []), name]
        lots.append(Lot(delivery=name, vendor=vendor, items=len(in_order), rows=rows))
    return tuple(lots), of_lot


def _strata(labels: pd.DataFrame, annotations: pd.DataFrame, codes: np.ndarray) -> pd.DataFrame:
    rows = annotations[PEOPLE].assign(stratum=annotations["item"].map(pd.Series(codes, labels["item"])), release="")
    parts = []
    for of, column in (
        *((column_of, column_of) for column_of in ("release", "vendor", "delivery", "annotator")),
        ("label", "label"),
    ):
        counted = rows.groupby([column, "stratum"])["item"].agg(["nunique", "size"]).reset_index()
        counted.columns = ["subject", "stratum", "items", "labels"]
        parts.append(counted.assign(of=of))
    by_class = labels.assign(stratum=codes).groupby(["given_label", "stratum"]).size().reset_index()
    by_class.columns = ["subject", "stratum", "items"]
    parts.append(by_class.assign(of="class", labels=by_class["items"]))
    return pd.concat(parts, ignore_index=True)


def _no_strata() -> pd.DataFrame:
    return pd.DataFrame({name: [] for name in samples.STRATA_SCHEMA.names})
