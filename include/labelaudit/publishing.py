"""Publishes an audit: everything of a release is written under its own name first, then one commit makes it exist.

Killed at any point and repeated, it ends in the same release; two runs that want the same number: one gets it, the
other gets ReleaseConflict. What an attempt left behind that never came to exist is removed by the next release.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit import annotator_names, differences, layout, table_schemas, tables, verifying
from labelaudit.contract import Contract
from labelaudit.errors import ReleaseConflict
from labelaudit.findings import read_findings
from labelaudit.judged import read_counts
from labelaudit.parquet_files import read_table
from labelaudit.report.content import ReportContent, report_content
from labelaudit.report.release import changes_csv, issues_csv, item_lists, report_html
from labelaudit.store import Store
from labelaudit.tables import Logged
from labelaudit.values import Audit, Release
from labelaudit.verdicts import Verdict


def publish(contract: Contract, audit: Audit, verdict: Verdict, store: Store, destination: Store) -> Release:
    """One release at the destination. Raises ReleaseConflict where its number is taken by another."""
    state = tables.state(destination)
    there = {one.release: one for one in tables.log(destination)}
    already = audit.release in there
    if already:
        version = there[audit.release].version
    elif state.sequence + 1 != audit.found.sequence:
        raise ReleaseConflict(f"{state.release} was published to {destination.uri} since this run looked; start again")
    else:
        version, already = _publish_new(contract, audit, verdict, store, destination)
    finish(destination)
    accepted = [one for one in audit.checked if one.accepted]
    return Release(
        customer=contract.customer,
        dataset=contract.dataset,
        release=audit.release,
        digest=audit.digest,
        version=version,
        destination=destination.uri,
        report=destination.uri_of(layout.release(audit.release) + "report.html"),
        items=audit.items,
        issues=audit.issues,
        accepted_rows=sum(one.accepted_rows for one in accepted),
        rejected_rows=sum(one.rejected_rows for one in audit.checked),
        deliveries=tuple(one.delivery.name for one in accepted),
        already=already,
    )


def preview(contract: Contract, audit: Audit, verdict: Verdict, store: Store, destination: Store) -> str:
    """The internal report of a release that is held, for the person who decides; gives its key in our store."""
    labels = _with_release(read_table(store, audit.labels), audit.release)
    found = differences.changes(audit, labels, destination)
    findings, before = read_findings(store, audit), read_counts(destination)
    content = report_content(contract, audit, verdict, findings, before, None, found[0] if found else None)
    key = layout.internal_report(contract.customer, contract.dataset, audit.release)
    store.write(key, report_html(contract, content))
    return key


def _publish_new(
    contract: Contract, audit: Audit, verdict: Verdict, store: Store, destination: Store
) -> tuple[int, bool]:
    rename = annotator_names.renamer(contract, store)
    labels = _with_release(read_table(store, audit.labels), audit.release)
    annotations = read_table(store, audit.annotations)
    tables.replace_release_rows(
        destination, layout.ANNOTATIONS, _annotations(annotations, audit, rename), audit.release
    )
    tables.replace_release_rows(destination, layout.QUALITY, _quality(audit), audit.release)
    found = differences.changes(audit, labels, destination)
    kept = labels.filter(pc.invert(labels["_removed"])).drop_columns("_removed")
    lists = item_lists(kept)
    if found:
        lists["changes.csv"] = changes_csv(found[1])
    difference = found[0] if found else None
    internal = [name for name in kept.column_names if name.startswith("_")]
    labels, kept = labels.drop_columns(internal), kept.drop_columns(internal)
    findings, before = read_findings(store, audit), read_counts(destination)
    content = report_content(contract, audit, verdict, findings, before, rename, difference)
    manifest = _write_files(contract, content, kept, lists, audit, destination)
    plain = report_content(contract, audit, verdict, findings, before, None, difference)
    store.write(
        layout.internal_report(contract.customer, contract.dataset, audit.release), report_html(contract, plain)
    )
    with store.local(audit.annotations) as path:
        store.upload(path, f"{layout.history(contract.customer, contract.dataset)}{audit.release}.parquet")
    logged = Logged(
        release=audit.release,
        digest=audit.digest,
        sequence=audit.found.sequence,
        version=-1,
        deliveries={one.delivery.name: one.delivery.digest for one in audit.checked if one.accepted},
        superseded=audit.superseded,
        manifest=manifest,
    )
    return tables.commit_labels(destination, labels, logged)


def _with_release(labels: pa.Table, release: str) -> pa.Table:
    place = table_schemas.LABELS_SCHEMA.get_field_index("release")
    return labels.add_column(place, "release", pa.array([release] * labels.num_rows, pa.string()))


def _annotations(rows: pa.Table, audit: Audit, rename: Callable[[str], str | None]) -> pa.Table:
    """The annotations of this run's deliveries, as the customer may see them."""
    names = [one.delivery.name for one in audit.checked if one.accepted]
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
    return pa.table(columns).cast(table_schemas.ANNOTATIONS_SCHEMA)


def _quality(audit: Audit) -> pa.Table:
    rows = [
        {"release": audit.release, "sequence": audit.found.sequence, **count.model_dump()} for count in audit.counts
    ]
    return pa.Table.from_pylist(rows, schema=table_schemas.QUALITY_SCHEMA)


def _write_files(
    contract: Contract,
    content: ReportContent,
    labels: pa.Table,
    lists: dict[str, bytes],
    audit: Audit,
    destination: Store,
) -> str:
    """The files beside the tables; gives the sha256 of their manifest."""
    files = lists | {
        "issues.csv": issues_csv(labels),
        "report.html": report_html(contract, content),
        "report.json": content.model_dump_json(indent=2).encode(),
    }
    folder = layout.release(audit.release)
    for name, file in files.items():
        destination.write(folder + name, file)
    manifest = {
        "format": 1,
        "customer": contract.customer,
        "dataset": contract.dataset,
        "release": audit.release,
        "digest": audit.digest,
        "deliveries": {one.delivery.name: one.delivery.digest for one in audit.checked if one.accepted},
        "approval": content.verdict.answer.model_dump() if content.verdict.answer else None,
        "labels": {"rows": labels.num_rows, "sha256": verifying.rows_sha256(labels)},
        "files": [
            {"path": name, "bytes": len(file), "sha256": hashlib.sha256(file).hexdigest()}
            for name, file in files.items()
        ],
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n"
    destination.write(folder + layout.MANIFEST, text)
    return hashlib.sha256(text).hexdigest()


def finish(destination: Store) -> None:
    """After the last commit: remove what it replaced, and what other attempts at its number left behind.

    A run begins with it too: the one before may have been killed just after its commit.
    """
    releases = tables.log(destination)
    if not releases:
        return
    last = releases[-1]
    own = f"release <> {tables.quoted(last.release)}"
    older = f"release <= {tables.quoted(last.release)}"  # not what a run under way has written for the next one
    number = last.release.split("-")[0] + "-"
    stale = f"release like '{number}%'"
    if last.superseded:
        stale += f" or delivery in ({', '.join(map(tables.quoted, last.superseded))})"
    tables.drop_rows(destination, layout.ANNOTATIONS, f"({stale}) and {own} and {older}")
    tables.drop_rows(destination, layout.QUALITY, f"release like '{number}%' and {own}")
    for folder in destination.folders("releases/"):
        if folder.startswith(number) and folder != last.release:
            for key in destination.list(layout.release(folder)):
                destination.delete(key)
