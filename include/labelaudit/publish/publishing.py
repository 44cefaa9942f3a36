"""Publishes an audit: the files of a release are written first, then one commit makes it exist, then `finishing`.

Killed at any point and repeated, it ends in the same release; two runs that want the same number: one gets it, the
other gets ReleaseConflict. Two that publish the same release with different notes: the first commit counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.contracts.model import Contract
from labelaudit.detect.findings_file import read_findings
from labelaudit.detect.run_detectors import looking
from labelaudit.errors import ReleaseConflict
from labelaudit.judge.past import read_counts
from labelaudit.publish import annotator_names, customer_view, finishing, release_files, verifying
from labelaudit.report import differences
from labelaudit.report.content import ReportContent, report_content
from labelaudit.report.release import changes_csv, issues_csv, item_lists, report_html
from labelaudit.storage import commits, layout, release_log, schemas
from labelaudit.storage.parquet import read_table
from labelaudit.storage.release_log import Logged
from labelaudit.storage.store import Store
from labelaudit.tasks.texts import texts
from labelaudit.values.releases import Audit, Release
from labelaudit.values.verdicts import Verdict


def publish(contract: Contract, audit: Audit, verdict: Verdict, store: Store, destination: Store) -> Release:
    """One release at the destination. Raises ReleaseConflict where its number is taken by another."""
    releases = release_log.log(destination)
    last = releases[-1] if releases else None
    logged = next((release for release in releases if release.release == audit.release), None)
    already = logged is not None
    if logged is None:
        if (last.sequence if last else 0) + 1 != audit.found.sequence:
            raise ReleaseConflict(
                f"{last.release if last else 'nothing'} was published to {destination.uri} since this run looked; start"
                " again"
            )
        logged, already = _publish_new(contract, audit, verdict, store, destination)
    finishing.finish(contract, store, destination)
    accepted = [delivery for delivery in audit.checked if delivery.accepted]
    return Release(
        customer=contract.customer,
        dataset=contract.dataset,
        release=audit.release,
        digest=audit.digest,
        version=logged.version,
        destination=destination.uri,
        report=destination.uri_of(logged.files + "report.html"),
        items=audit.items,
        issues=audit.issues,
        accepted_rows=sum(delivery.accepted_rows for delivery in accepted),
        rejected_rows=sum(delivery.rejected_rows for delivery in audit.checked),
        deliveries=tuple(delivery.delivery.name for delivery in accepted),
        already=already,
    )


def preview(contract: Contract, audit: Audit, verdict: Verdict, store: Store, destination: Store) -> str:
    """The internal report of a release that is held, for the person who decides; gives its key in our store."""
    labels = texts(_with_release(read_table(store, audit.labels), audit.release))
    changes = differences.changes(audit, labels, destination)
    findings, before = read_findings(store, audit), read_counts(destination)
    content = report_content(contract, audit, verdict, findings, before, "internal", changes[0] if changes else None)
    key = layout.internal_report(contract.customer, contract.dataset, audit.release)
    store.write(key, report_html(contract, content))
    return key


def _publish_new(
    contract: Contract, audit: Audit, verdict: Verdict, store: Store, destination: Store
) -> tuple[Logged, bool]:
    """Everything up to the commit; gives the release as the log has it, and whether another made it meanwhile."""
    rename = annotator_names.renamer(contract, store)
    labels = _with_release(read_table(store, audit.labels), audit.release)
    annotations = read_table(store, audit.annotations)
    rows = {layout.ANNOTATIONS: _annotations(annotations, audit, rename), layout.QUALITY: _quality(audit)}
    if audit.parts is not None:
        parts = read_table(store, audit.parts)
        release = pa.array([audit.release] * parts.num_rows, pa.string())
        rows[layout.PARTS] = parts.append_column("release", release)
    finishing.make_ready(contract, store, audit.release, rows)
    changes = differences.changes(audit, texts(labels), destination)
    kept = labels.filter(pc.invert(labels["_removed"])).drop_columns("_removed")
    findings, before = read_findings(store, audit), read_counts(destination)
    see = customer_view.seeing(contract, store, "customer", findings)
    shown = see(findings)
    lists = item_lists(texts(kept)) | looking.files(shown.further) | {"issues.csv": issues_csv(texts(kept))}
    if changes:
        lists["changes.csv"] = changes_csv(changes[1])
    difference = changes[0] if changes else None
    internal = [name for name in kept.column_names if name.startswith("_")]
    labels, kept = labels.drop_columns(internal), kept.drop_columns(internal)
    content = report_content(contract, see(audit), see(verdict), shown, before, "customer", difference)
    files = lists | {
        "report.html": report_html(contract, content),
        "report.json": content.model_dump_json(indent=2).encode(),
    }
    manifest = _manifest(contract, content, kept, files, audit)
    folder = release_files.write(destination, audit.release, manifest, files)
    plain = report_html(contract, report_content(contract, audit, verdict, findings, before, "internal", difference))
    internal_report = layout.internal_report(contract.customer, contract.dataset, audit.release)
    store.write(internal_report, plain)
    with store.local(audit.annotations) as path:
        store.upload(path, f"{layout.history(contract.customer, contract.dataset)}{audit.release}.parquet")
    wanted = Logged(
        release=audit.release,
        digest=audit.digest,
        sequence=audit.found.sequence,
        version=-1,
        deliveries={
            delivery.delivery.name: delivery.delivery.digest for delivery in audit.checked if delivery.accepted
        },
        superseded=audit.superseded,
        manifest=hashlib.sha256(manifest).hexdigest(),
        folder=folder,
    )
    logged, already = commits.commit_labels(destination, labels, wanted)
    if not already and folder != audit.release:  # another attempt was at it, and may have written its own last
        store.write(internal_report, plain)
    return logged, already


def _with_release(labels: pa.Table, release: str) -> pa.Table:
    place = schemas.LABELS_SCHEMA.get_field_index("release")
    return labels.add_column(place, "release", pa.array([release] * labels.num_rows, pa.string()))


def _annotations(rows: pa.Table, audit: Audit, rename: Callable[[str], str | None]) -> pa.Table:
    """The annotations of this run's deliveries, as the customer may see them."""
    names = [delivery.delivery.name for delivery in audit.checked if delivery.accepted]
    rows = rows.filter(pc.is_in(rows["delivery"], pa.array(names, pa.string())))
    people: list[str | None] = [None] * rows.num_rows
    if "annotator" in rows.column_names:
        seen = {name: rename(name) for name in pc.unique(rows["annotator"]).to_pylist()}
        people = [seen[name] for name in rows["annotator"].to_pylist()]
    columns = {
        "item": rows["item"],
        "annotator": pa.array(people, pa.string()),
        "vendor": rows["vendor"],
        "delivery": rows["delivery"],
        "label": rows["label"],
        "annotation_quality": rows["annotation_quality"],
        "is_issue": rows["is_issue"],
        "release": pa.array([audit.release] * rows.num_rows, pa.string()),
    }
    return pa.table(columns).cast(schemas.fitting(schemas.ANNOTATIONS_SCHEMA, rows.schema))


def _quality(audit: Audit) -> pa.Table:
    rows = [
        {"release": audit.release, "sequence": audit.found.sequence, **count.model_dump()} for count in audit.counts
    ]
    return pa.Table.from_pylist(rows, schema=schemas.QUALITY_SCHEMA)


def _manifest(
    contract: Contract, content: ReportContent, labels: pa.Table, files: dict[str, bytes], audit: Audit
) -> bytes:
    manifest = {
        "format": 1,
        "customer": contract.customer,
        "dataset": contract.dataset,
        "release": audit.release,
        "digest": audit.digest,
        "deliveries": {
            delivery.delivery.name: delivery.delivery.digest for delivery in audit.checked if delivery.accepted
        },
        "approval": content.verdict.answer.model_dump() if content.verdict.answer else None,
        "labels": {"rows": labels.num_rows, "sha256": verifying.rows_sha256(labels)},
        "files": [
            {"path": name, "bytes": len(file), "sha256": hashlib.sha256(file).hexdigest()}
            for name, file in files.items()
        ],
    }
    return json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n"
