"""The verbs of one run, each from value to value: find, stage, check, detect, judge, publish.

Airflow's tasks and the command line call these and nothing else. Any step may be killed and repeated: it writes below
its run's prefix, or under a release's own name, and a release exists only once the `labels` table's log says so.
What is heavy to import is imported where it is used, so that a scheduler can import this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labelaudit.contracts.model import Contract
from labelaudit.errors import RunExpired
from labelaudit.storage import layout
from labelaudit.storage.opening import open_store
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery, Delivery, Found, StagedDelivery
from labelaudit.values.releases import Audit, Release
from labelaudit.values.verdicts import Answer, Verdict

Progress = Callable[[int, int], None]
"""Called with (done, total) of whatever a step counts."""


def open_destination(
    contract: Contract,
    store: Store,
    credentials: dict[str, Any] | None = None,
    folders: Sequence[Path] | None = None,
) -> Store:
    """The customer's store; for a contract that names none, a folder of ours.

    folders: below these a deployment lets contracts name `file:///<folder>/<customer>/…`, and S3 by a Connection only;
    None: whatever the person who calls may do.
    Raises ContractError where it names a place that is ours, or another dataset's.
    """
    if contract.destination.uri is None:
        return store.below(layout.published(contract.customer, contract.dataset))
    from labelaudit.run import destinations

    destination = open_store(contract.destination.uri, credentials)
    destinations.require_own(contract, destination, store, folders)
    return destination


def find(
    contract: Contract,
    store: Store,
    destination: Store,
    run: str,
    deliveries: Sequence[str] = (),
    again: bool = False,
    now: float | None = None,
) -> Found:
    """What waits in the inbox, or of it only `deliveries` (`vendor/id`, or `id`).

    What has no manifest and has settled by `now` (seconds since 1970; by default, the clock's) is sealed first.

    A delivery that was published, or refused with the same bytes, waits no more, unless `again`; one that was
    superseded never does.
    Raises DeliveryRejected where a delivery that was asked for by name is not there.
    """
    from labelaudit.publish import finishing
    from labelaudit.receive import choosing, seals
    from labelaudit.storage import release_log

    seals.seal_settled(contract, store, time.time() if now is None else now)
    finishing.finish(contract, store, destination)
    state = release_log.state(destination)
    chosen = choosing.choose(
        contract,
        store,
        published=release_log.published_deliveries(destination),
        superseded=release_log.superseded_deliveries(destination),
        wanted=deliveries,
        again=again,
    )
    return Found(
        run=run,
        deliveries=chosen,
        base_version=state.version,
        base_release=state.release,
        sequence=state.sequence + 1,
    )


def stage(
    contract: Contract, delivery: Delivery, store: Store, run: str, progress: Progress | None = None
) -> StagedDelivery:
    """Read a delivery's files into canonical Parquet; what can't be read becomes rejects, or a refusal."""
    from labelaudit import readers

    readers.prepare()  # the first file's process starts while the rest is imported
    from labelaudit.stage import staging

    return staging.stage(contract, delivery, store, run, progress=progress)


def check(
    contract: Contract, staged: StagedDelivery, store: Store, run: str, progress: Progress | None = None
) -> CheckedDelivery:
    """Hold the staged rows against the contract, with Great Expectations."""
    from labelaudit.check import checking

    with _files_of(contract, run):
        return checking.check(contract, staged, store, run, progress=progress)


def detect(
    contract: Contract,
    found: Found,
    checked: Sequence[CheckedDelivery],
    store: Store,
    destination: Store,
    progress: Progress | None = None,
) -> Audit | None:
    """Find the wrong labels of the accepted rows; None where no delivery was accepted."""
    if not any(delivery.accepted for delivery in checked):
        return None
    from labelaudit.detect import detecting

    with _files_of(contract, found.run):
        return detecting.audit(contract, found, tuple(checked), store, destination, progress)


def judge(
    contract: Contract,
    audit: Audit,
    store: Store,
    destination: Store,
    hold: bool = False,
    run_time: datetime | None = None,
) -> Verdict:
    """Compare the audit with the contract and with the releases before; draw the sample that people are to audit.

    Repeated once answers have come, it judges by them. Its counts are kept with us under the run's time (the clock's by
    default), whatever becomes of it. The files of a run that is held stay until it is decided.
    """
    with _files_of(contract, audit.run):
        return _judge(contract, audit, store, destination, hold, run_time or datetime.now(UTC))


def _judge(
    contract: Contract, audit: Audit, store: Store, destination: Store, hold: bool, run_time: datetime
) -> Verdict:
    from labelaudit.detect.findings_file import read_findings
    from labelaudit.human_audit import decisions, drawing
    from labelaudit.judge import judging, past
    from labelaudit.publish import publishing
    from labelaudit.run import waiting_runs
    from labelaudit.values import counted

    sample = drawing.draw(contract, audit, store) or ""
    before = [
        attempt for attempt in past.read_attempts(contract, store, destination) if attempt.release != audit.release
    ]
    attempt = past.attempt_of(audit, store)
    history = counted.count_once([*before, attempt])
    findings = read_findings(store, audit)
    evidence = judging.Evidence(
        history=[judged for judged in history if judged.release != audit.release],
        news=next((judged for judged in history if judged.release == audit.release), None),
        annotators=findings.annotators,
        agreement=findings.agreement,
        rates=decisions.rates(
            contract, audit, store, [judged.release for judged in before if judged.published is not None]
        ),
        acceptance=decisions.acceptance(contract, audit, store),
        sample=sample,
    )
    verdict = judging.judge(contract, audit, evidence, hold)
    past.write_open(contract, verdict.incidents, store)
    if verdict.action != "publish":
        publishing.preview(contract, audit, verdict, store, destination)
    past.record(contract, audit, attempt, store, run_time)
    if verdict.action == "hold":
        waiting_runs.keep(contract, audit, store, run_time)
    else:
        waiting_runs.let_go(contract, audit.run, store)
    return verdict


def let_go(contract: Contract, audit: Audit, store: Store) -> None:
    """Nobody will decide on a held run: its files expire like any other's."""
    from labelaudit.run import waiting_runs

    waiting_runs.let_go(contract, audit.run, store)


def released(verdict: Verdict, answer: Answer) -> Verdict:
    """A held verdict that a person turned: published, with who said what and when."""
    return verdict.model_copy(update={"action": "publish", "answer": answer})


def publish(
    contract: Contract,
    audit: Audit,
    verdict: Verdict,
    store: Store,
    destination: Store,
    run_time: datetime | None = None,
) -> Release:
    """Publish the release in one atomic commit; published before, it changes nothing and says so.

    The rejects of its deliveries are kept before that, with the run's time (the clock's by default): a run that is
    killed after the commit has lost none. Raises ReleaseConflict where another run published meanwhile.
    """
    from labelaudit.publish import publishing
    from labelaudit.rejects import history as rejects_history
    from labelaudit.rejects import recorded

    accepted = [delivery for delivery in audit.checked if delivery.accepted]
    with _files_of(contract, audit.run):
        rejects_history.record(contract, accepted, store, run_time or datetime.now(UTC))
        release = publishing.publish(contract, audit, verdict, store, destination)
        for delivery in accepted:
            recorded.record_acceptance(delivery, store)
    let_go(contract, audit, store)
    return release


def record_rejections(
    contract: Contract, checked: Sequence[CheckedDelivery], store: Store, run_time: datetime | None = None
) -> None:
    """Note the rejected deliveries, with their reports and rejects, so that the same bytes are not refused every day.

    Comes after the alerts: a run that is killed before has them sent again, never not at all.
    """
    from labelaudit.rejects import history as rejects_history
    from labelaudit.rejects import recorded

    rejected = [delivery for delivery in checked if not delivery.accepted]
    rejects_history.record(contract, rejected, store, run_time or datetime.now(UTC))
    for delivery in rejected:
        recorded.record_rejection(contract, delivery, store)


def reject_held(
    contract: Contract,
    audit: Audit,
    verdict: Verdict,
    answer: Answer | None,
    store: Store,
    run_time: datetime | None = None,
) -> tuple[CheckedDelivery, ...]:
    """A person rejected a held release, or (without an answer) the contract's acceptance did.

    Gives the deliveries that now count as rejected, until other bytes are delivered, with their vendors' reports; the
    others still wait. Raises InvalidInput where the answer names a delivery that the release does not have.
    """
    from labelaudit.judge import rejecting

    refused = (
        rejecting.rejected_by_hand(audit, verdict, answer) if answer else rejecting.rejected_by_plan(audit, verdict)
    )
    with _files_of(contract, audit.run):
        refused = [rejecting.write_report(contract, audit, delivery, store) for delivery in refused]
        record_rejections(contract, refused, store, run_time)
    let_go(contract, audit, store)
    return tuple(refused)


@contextmanager
def _files_of(contract: Contract, run: str) -> Iterator[None]:
    """A file of the run that is missing was removed by retention: said so, with what to do."""
    try:
        yield
    except KeyError as error:
        key = error.args[0] if error.args else None
        if not isinstance(key, str) or not key.startswith(layout.run(contract.customer, contract.dataset, run)):
            raise
        raise RunExpired(
            f"{key} is gone: the files of the run {run} of {contract.id} were removed after"
            f" {contract.retention.runs_days} days (`retention.runs_days`). Trigger a new run: the deliveries that were"
            " not published still wait in the inbox"
        ) from error
