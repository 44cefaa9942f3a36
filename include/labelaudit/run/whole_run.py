"""One whole run without Airflow: the same steps, in the same order, in one process."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from labelaudit.contracts.model import Contract
from labelaudit.run import steps
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery, Found
from labelaudit.values.verdicts import Answer, FailedDelivery, Outcome

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

    A delivery that can't be staged or checked for a reason that is not its own (its folder is gone, a step took too
    long) waits on and is named in the outcome; the others go on. Where that is all of them, its error is raised.
    `now` is the run's time, with a time zone; the clock's by default.
    """
    now = now or datetime.now(UTC)
    with watch("find"):
        found = steps.find(contract, store, destination, run, deliveries, again, now.timestamp())
    if not found.deliveries:
        return Outcome(status="nothing")
    checked, failed, errors = [], [], []
    for delivery in found.deliveries:
        try:
            with watch(f"stage {delivery.name}") as progress:
                staged = steps.stage(contract, delivery, store, run, progress)
            with watch(f"check {delivery.name}") as progress:
                checked.append(steps.check(contract, staged, store, run, progress))
        except Exception as error:  # as in Airflow, where each delivery has tasks of its own
            errors.append(error)
            failed.append(FailedDelivery(delivery=delivery.name, error=f"{type(error).__name__}: {error}"))
    if not checked:
        raise errors[0]
    outcome = _finish(contract, store, destination, found, checked, hold, publish_held, watch, now)
    return outcome.model_copy(update={"failed": tuple(failed)})


def _finish(
    contract: Contract,
    store: Store,
    destination: Store,
    found: Found,
    checked: Sequence[CheckedDelivery],
    hold: bool,
    publish_held: str | None,
    watch: Watch,
    now: datetime,
) -> Outcome:
    """From the checked deliveries to the release."""
    rejected = tuple(delivery for delivery in checked if not delivery.accepted)
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
        steps.let_go(contract, audit, store)  # nobody answers here: the next run looks at the deliveries anew
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
