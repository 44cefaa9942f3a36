"""From a release's sample and its answers to defect rates with intervals: whole, by part, and of a pool of releases.

Answers may be incomplete. Tasks stand in one random order, so what was answered from the top is a random part of every
stratum and counts as if no more had been drawn. That is fair as long as people do not choose: who skips hard items
makes the rate too low, and no arithmetic mends it. Items that people say they can't tell are no answer either way:
`progress` counts them apart. An answer is held to be the truth; a person's own mistakes widen no interval here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labelaudit.contracts.model import Contract
from labelaudit.human_audit import samples
from labelaudit.human_audit.samples import Sample
from labelaudit.rates.defect_rates import Rate, domain_rate, pooled_rate, ratio_rate
from labelaudit.storage.store import Store
from labelaudit.values.value import Value
from labelaudit.values.verdicts import DefectRate

FEW = 5
"""A vendor, class, annotator or delivery needs so many audited items for a rate of its own."""


class Progress(Value):
    """Tasks of a sample, those answered with a class, and those that a person can't tell."""

    tasks: int
    answered: int
    cant_tell: int


@dataclass(frozen=True)
class Answered:
    """A sample with its answers. items: the sample's, answered ones only, with `truth`; annotations: of these items,
    with `stratum` and `wrong`; `unclear` are the items that a person can't tell."""

    sample: Sample
    items: pd.DataFrame
    annotations: pd.DataFrame
    unclear: frozenset[str]
    classes: tuple[str, ...]


def progress(contract: Contract, store: Store, release: str) -> Progress | None:
    """How far the audit of a release is; None where it has no sample."""
    sample = samples.read_sample(contract, store, release)
    if sample is None:
        return None
    answers = samples.read_answers(contract, store, release)
    unclear = sum(answer is None for answer in answers.values())
    return Progress(tasks=len(sample.items), answered=len(answers) - unclear, cant_tell=unclear)


def answered(contract: Contract, store: Store, release: str) -> Answered | None:
    """A release's sample and answers; None where it has no sample."""
    sample = samples.read_sample(contract, store, release)
    if sample is None:
        return None
    answers = samples.read_answers(contract, store, release)
    truth = pd.Series({item: answer for item, answer in answers.items() if answer is not None}, dtype=object)
    items = sample.items.assign(truth=sample.items["item"].map(truth)).dropna(subset="truth")
    rows = sample.annotations.merge(items[["item", "stratum", "truth", "given_label"]], on="item")
    unclear = frozenset(item for item, answer in answers.items() if answer is None)
    return Answered(sample, items, rows.assign(wrong=rows["label"] != rows["truth"]), unclear, contract.classes)


def release_rates(
    contract: Contract, store: Store, release: str, releases: Sequence[str] = ()
) -> tuple[DefectRate, ...]:
    """The measured rates of a release, and of the pool of it and the last of `releases` (oldest first) with answers.

    Empty where nothing was answered. per item: the release by its published labels; vendors and deliveries by their
    own majority of each item (of ties the item's given label), classes by the given label. per label: delivered labels.
    Annotators: always delivered labels. Where only plans asked for a sample there are rates of deliveries only.
    """
    per = contract.human_audit.per if contract.human_audit else "item"
    this = answered(contract, store, release)
    rates = list(_of_release(this, per)) if this else []
    if contract.human_audit and contract.human_audit.pool_releases > 1:
        rates += _pooled(contract, store, this, [other for other in releases if other != release], per)
    return tuple(rates)


def _of_release(this: Answered, per: str) -> Iterator[DefectRate]:
    release = this.sample.plan.release
    if not this.sample.plan.sizes:
        for lot in this.sample.plan.lots:
            if (rate := lot_rate(this, lot.delivery)) and rate.audited >= FEW:
                yield _measured("delivery", lot.delivery, "item", rate, (release,))
        return
    if rate := _whole(this, per):
        yield _measured("release", "", per, *rate, (release,))
    for of in ("vendor", "delivery", "class", "annotator"):
        measured_per = "label" if of == "annotator" else per
        column = ("label" if per == "label" else "given_label") if of == "class" else of
        there = this.items if column == "given_label" else this.annotations
        for subject in sorted(there.loc[there["stratum"] >= 0, column].dropna().unique()):
            rate = _part(this, of, subject, measured_per)
            if rate and rate[1] >= FEW:
                yield _measured(of, subject, measured_per, *rate, (release,))


def _whole(this: Answered, per: str) -> tuple[Rate, int, int] | None:
    items = this.items[this.items["stratum"] >= 0]
    if per == "label":
        return _of_labels(this, this.annotations, "release", "")
    return _of_items(this, "release", "", items["stratum"], items["label"] != items["truth"])


def _part(this: Answered, of: str, subject: str, per: str) -> tuple[Rate, int, int] | None:
    rows = this.annotations
    if of == "class" and per == "item":
        items = this.items[(this.items["given_label"] == subject) & (this.items["stratum"] >= 0)]
        return _of_items(this, of, subject, items["stratum"], items["given_label"] != items["truth"])
    rows = rows[rows["label" if of == "class" else of] == subject]
    if per == "label":
        return _of_labels(this, rows, "label" if of == "class" else of, subject)
    own = own_labels(rows[rows["stratum"] >= 0], this.classes)
    return _of_items(this, of, subject, own["stratum"], own["label"] != own["truth"])


def own_labels(rows: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """One row an item: the majority `label` of the rows; of ties the item's given label, else the first class."""
    ranks = {label: rank for rank, label in enumerate(classes)}
    counted = rows.groupby(["item", "label"], sort=False).agg(
        votes=("label", "size"), stratum=("stratum", "first"), truth=("truth", "first"), given=("given_label", "first")
    )
    counted = counted.reset_index()
    counted["other"] = counted["label"] != counted["given"]
    counted["rank"] = counted["label"].map(ranks).fillna(len(ranks))
    return counted.sort_values(["votes", "other", "rank"], ascending=[False, True, True]).drop_duplicates("item")


def _of_items(
    this: Answered, of: str, subject: str, strata: pd.Series, wrong: pd.Series
) -> tuple[Rate, int, int] | None:
    sizes, _ = this.sample.sizes(of, subject)
    codes = strata.to_numpy(np.int64)
    audited = np.bincount(codes, minlength=len(sizes))
    rate = domain_rate(sizes, audited, np.bincount(codes, wrong.to_numpy(bool), len(sizes)))
    return rate and (rate, int(audited.sum()), int(sizes.sum()))


def _of_labels(this: Answered, rows: pd.DataFrame, of: str, subject: str) -> tuple[Rate, int, int] | None:
    sizes, labels = this.sample.sizes(of, subject)
    by_item = (
        rows[rows["stratum"] >= 0]
        .groupby("item")
        .agg(stratum=("stratum", "first"), wrong=("wrong", "sum"), units=("wrong", "size"))
    )
    if not len(by_item):
        return None
    rate = ratio_rate(sizes, by_item["stratum"], by_item["wrong"], by_item["units"], labels)
    return rate, len(by_item), int(sizes.sum())


def lot_answers(this: Answered, delivery: str) -> pd.DataFrame:
    """The answered items of a lot in task order, with `task`, and `wrong` by the delivery's own majority."""
    chosen = this.items[in_lot(this.items, delivery)]
    rows = this.annotations[(this.annotations["delivery"] == delivery) & this.annotations["item"].isin(chosen["item"])]
    own = own_labels(rows, this.classes).set_index("item")
    wrong = chosen["item"].map(own["label"]) != chosen["truth"]
    return chosen[["item", "task"]].assign(wrong=wrong).sort_values("task")


def in_lot(items: pd.DataFrame, delivery: str) -> np.ndarray:
    """Which rows (n,) of a sample's items are of a delivery's lot."""
    return np.array([delivery in lots for lots in items["lots"]], bool)


def lot_rate(this: Answered, delivery: str) -> Rate | None:
    """The rate of a lot, of which the answered items are a simple random sample."""
    rows = lot_answers(this, delivery)
    items = next(lot.items for lot in this.sample.plan.lots if lot.delivery == delivery)
    return domain_rate([items], [len(rows)], [rows["wrong"].sum()])


def delivery_rate(this: Answered, delivery: str, per: str) -> tuple[Rate, int, int] | None:
    """(rate, audited items, items) of a delivery by the stratified sample; None where none of it was audited."""
    return _part(this, "delivery", delivery, per)


def _pooled(
    contract: Contract, store: Store, this: Answered | None, before: Sequence[str], per: str
) -> list[DefectRate]:
    pool: list[tuple[str, tuple[Rate, int, int]]] = []
    for release in [None, *reversed(before)]:
        if len(pool) == contract.human_audit.pool_releases:
            break
        answers = this if release is None else answered(contract, store, release)
        if answers and answers.sample.plan.sizes and (rate := _whole(answers, per)):
            pool.insert(0, (answers.sample.plan.release, rate))
    if not pool:
        return []
    rate = pooled_rate([whole[0] for _, whole in pool], [whole[0].items for _, whole in pool])
    audited, items = (sum(whole[place] for _, whole in pool) for place in (1, 2))
    return [_measured("pooled", "", per, rate, audited, items, tuple(name for name, _ in pool))]


def _measured(of: str, subject: str, per: str, rate: Rate, *rest) -> DefectRate:
    *counts, releases = rest
    audited, items = counts or (int(rate.audited), int(rate.items))
    return DefectRate(
        of=of,
        subject=subject,
        per=per,
        value=rate.value,
        low=rate.low,
        high=rate.high,
        audited=audited,
        defects=rate.defects,
        items=items,
        releases=releases,
    )
