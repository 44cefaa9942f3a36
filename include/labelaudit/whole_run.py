"""One whole run without Airflow: the same steps, in the same order, in one process."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from labelaudit import steps
from labelaudit.contract import Contract
from labelaudit.store import Store
from labelaudit.verdicts import Answer, Outcome

Watch = Callable[[str], AbstractContextManager[steps.Progress | None]]
"""Called with the name of each step; gives a context with its progress."""


def whole_run(
    contract: Contract,
    store: Store,
    destination: Store,
    run: str,
    deliveries: Sequence[str] = (),
    again: bool = False,
    hold: bool = False,
    publish_held: str | None = None,
    watch: Watch = lambda name: nullcontext(None),
    now: datetime | None = None,
) -> Outcome:
    """Find, stage, check, detect, judge and publish. `publish_held`: a note with which a held release is published.

    `now` is the run's time, with a time zone; the clock's by default.
    """
    now = now or datetime.now(UTC)
    with watch("find"):
        found = steps.find(contract, store, destination, run, deliveries, again, now.timestamp())
    if not found.deliveries:
        return Outcome(status="nothing")
    checked = []
    for delivery in found.deliveries:
        with watch(f"stage {delivery.name}") as progress:
            staged = steps.stage(contract, delivery, store, run, progress)
        with watch(f"check {delivery.name}") as progress:
            checked.append(steps.check(contract, staged, store, run, progress))
    rejected = tuple(one for one in checked if not one.accepted)
    with watch("detect") as progress:
        audit = steps.detect(contract, found, checked, store, destination, progress)
    if audit is None:
        steps.record_rejections(contract, checked, store, now)
        return Outcome(status="rejected", rejected=rejected)
    with watch("judge"):
        verdict = steps.judge(contract, audit, store, destination, hold, now)
    if verdict.action == "reject":
        refused = steps.reject_held(contract, audit, verdict, None, store, now)
        steps.record_rejections(contract, rejected, store, now)
        return Outcome(status="rejected", audit=audit, verdict=verdict, rejected=(*rejected, *refused))
    if verdict.action == "hold" and publish_held is None:
        return Outcome(status="held", audit=audit, verdict=verdict, rejected=rejected)
    if verdict.action == "hold":
        said = Answer(
            chosen="publish with a note",
            by=f"{getpass.getuser()} (command line)",
            at=now.isoformat(timespec="seconds"),
            note=publish_held,
            digest=audit.digest,
        )
        verdict = steps.released(verdict, said)
    with watch("publish"):
        release = steps.publish(contract, audit, verdict, store, destination, now)
    steps.record_rejections(contract, checked, store, now)
    return Outcome(status="published", release=release, audit=audit, verdict=verdict, rejected=rejected)
