"""Every object key, in one place. A part of a key that came from outside is checked here and nowhere else.

`<store>/inbox`   what vendors deliver; never changed, never deleted by us
`<store>/runs`    a run's own work: staged tables, rejects, check results; expires
`<store>/history` accepted annotations with their features, internal; a row counts only if its release is published
`<store>/held`    which held runs wait for a person, so that their files stay
`<store>/ready`   rows of a release under way, for the customer's tables once it is committed
`<store>/gold`    items whose true label the customer knows
`<store>/audits`  samples of releases that people label again, their task files, and the answers
`<store>/reports` the internal view of every release's report
`<store>/rejections` one record and report for each rejected delivery, by its digest; the vendors' rejects.csv
`<store>/rejects` a Delta table of every reject over time
`<store>/judged`  a Delta table of the counts of all releases that were judged, by delivery
`<store>/alerts`  what is to be told, by which route, and what was sent
`<store>/incidents` the open incidents of each dataset, for the page
`<store>/sealed`  sizes and digests of deliveries that came without a manifest
`<store>/looks`   what deliveries without a manifest looked like when they were last looked at, and since when
`<store>/forgotten` which new id a person under way to be forgotten has; gone at the end
`<destination>`   the customer's: tables `labels`, `annotations`, `quality`, and `releases/<release>/`
"""

from __future__ import annotations

import re
import unicodedata

from labelaudit.errors import DeliveryRejected

MANIFEST = "manifest.json"
SAFE_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+@-]{0,127}")
ALERTS = "alerts/"
MAX_PATH_BYTES, MAX_NAME_BYTES = 512, 255
"""Of a file's path in its delivery, and of each name in it; S3's keys have 1,024, of which the folders take some."""
JOINERS = "\u200c\u200d"
"""Invisible, and a part of the spelling in Persian and the scripts of India."""
LABELS, ANNOTATIONS, QUALITY, PARTS = "labels", "annotations", "quality", "parts"


def is_safe_part(part: str) -> bool:
    """Whether `part` can stand in a key: no separator, no leading dot, nothing that a shell or HTML would read."""
    return SAFE_PART.fullmatch(part) is not None


def safe_path(path: str, found: str = "manifest.json names") -> str:
    """A file's path within its delivery, or DeliveryRejected(unsafe_path); `found` says where the path is from.

    Names may have letters of any script, spaces and signs: they are never run, and escaped wherever they are shown.
    """
    what = (
        ""
        if _is_short(path)
        else f"the path is longer than {MAX_PATH_BYTES} bytes (or a name in it than {MAX_NAME_BYTES})"
    )
    for name in path.split("/"):
        what = what or _wrong_with(name)
    if not what:
        return path
    raise DeliveryRejected(
        "unsafe_path",
        f"{found} the file {path[:200]!r}: {what}. Paths are relative to the delivery's folder. Rename the file and"
        " deliver again.",
    )


def _is_short(path: str) -> bool:
    names = [len(name.encode("utf-8", "surrogatepass")) for name in path.split("/")]
    return sum(names) + len(names) - 1 <= MAX_PATH_BYTES and max(names) <= MAX_NAME_BYTES


def _wrong_with(name: str) -> str:
    """What keeps `name` from being a file's or a folder's name everywhere; empty: nothing."""
    if name in ("", ".", ".."):
        return "it leads out of the delivery, or names no file"
    if name != name.strip() or name.startswith(".") or name.endswith("."):
        return "a name may not begin with a dot or a space, nor end with one"
    wrong = [sign for sign in name if not _is_shown(sign)]
    return f"a name may not have {wrong[0]!r}: a backslash, or a sign that can't be seen" if wrong else ""


def _is_shown(sign: str) -> bool:
    """No backslash (a separator elsewhere), control, line end, sign that turns the text around, or half a character."""
    return (sign.isprintable() and sign != "\\") or sign in JOINERS or unicodedata.category(sign) == "Zs"


def inbox(vendor: str, customer: str, dataset: str) -> str:
    return f"inbox/{vendor}/{customer}/{dataset}/"


def delivery(vendor: str, customer: str, dataset: str, delivery_id: str) -> str:
    return f"{inbox(vendor, customer, dataset)}{delivery_id}/"


def runs(customer: str, dataset: str) -> str:
    return f"runs/{customer}/{dataset}/"


def run(customer: str, dataset: str, run_name: str) -> str:
    return f"{runs(customer, dataset)}{run_name}/"


def run_delivery(customer: str, dataset: str, run_name: str, vendor: str, delivery_id: str) -> str:
    return f"{run(customer, dataset, run_name)}{vendor}/{delivery_id}/"


def history(customer: str, dataset: str) -> str:
    """Folder of a release's internal annotations: one Parquet file a release."""
    return f"history/{customer}/{dataset}/"


def waiting_runs(customer: str, dataset: str) -> str:
    """Notes of the held runs that wait for a person."""
    return f"held/{customer}/{dataset}/"


def waiting_run(customer: str, dataset: str, run_name: str) -> str:
    return f"{waiting_runs(customer, dataset)}{run_name}.json"


def internal_reports(customer: str, dataset: str) -> str:
    return f"reports/{customer}/{dataset}/"


def ready(customer: str, dataset: str) -> str:
    """Rows of releases that are about to be committed; gone once they are in the customer's tables."""
    return f"ready/{customer}/{dataset}/"


def rejections(customer: str, dataset: str) -> str:
    return f"rejections/{customer}/{dataset}/"


def rejection(customer: str, dataset: str, vendor: str, delivery_id: str, digest: str) -> str:
    return f"{rejections(customer, dataset)}{vendor}/{delivery_id}-{digest[:12]}/"


def rejects(customer: str, dataset: str) -> str:
    """Name of the table of all rejects, within the store."""
    return f"rejects/{customer}/{dataset}"


def judged(customer: str, dataset: str) -> str:
    """Name of the table of the counts of judged releases, within the store."""
    return f"judged/{customer}/{dataset}"


def open_incidents(customer: str, dataset: str) -> str:
    """What the last judged release left open."""
    return f"incidents/{customer}/{dataset}.json"


def seals(customer: str, dataset: str) -> str:
    return f"sealed/{customer}/{dataset}/"


def seal(customer: str, dataset: str, vendor: str, delivery_id: str, number: int) -> str:
    """What a delivery without manifest was when it had settled for the `number`th time, from 1."""
    return f"{seals(customer, dataset)}{vendor}/{delivery_id}/{number:06d}.json"


def looks(customer: str, dataset: str) -> str:
    """When what is not sealed yet was first seen as it lies there."""
    return f"looks/{customer}/{dataset}.json"


def alerts(customer: str, dataset: str) -> str:
    """The outbox of a dataset; of what belongs to none (upkeep), `all`."""
    return f"{ALERTS}{customer}/{dataset or 'all'}/"


def gold(customer: str, dataset: str, name: str) -> str:
    """The customer's known labels: no vendor may read them."""
    return f"gold/{customer}/{dataset}/{name}"


def annotator_key(customer: str) -> str:
    """The secret with which a customer's annotators are hashed."""
    return f"keys/{customer}/annotators"


def human_audits(customer: str, dataset: str) -> str:
    return f"audits/{customer}/{dataset}/"


def human_audit(customer: str, dataset: str, release_name: str) -> str:
    """A release's sample for people, its task files, and their answers."""
    return f"{human_audits(customer, dataset)}{release_name}/"


def human_audit_key(customer: str) -> str:
    """The secret with which a customer's audit tasks are signed."""
    return f"keys/{customer}/audits"


def internal_report(customer: str, dataset: str, release_name: str) -> str:
    """Our own view of a release's report, with the annotators' names."""
    return f"{internal_reports(customer, dataset)}{release_name}.html"


def release(release_name: str) -> str:
    return f"releases/{release_name}/"


def published(customer: str, dataset: str) -> str:
    """The destination within the store, of a contract that names none."""
    return f"published/{customer}/{dataset}"


def forgotten(customer: str, dataset: str, digest: str) -> str:
    """The new id of somebody who is being forgotten, by a keyed hash of the name."""
    return f"forgotten/{customer}/{dataset}/{digest}"


def run_name(run_id: str) -> str:
    """A run id of Airflow (`scheduled__2026-11-01T06:00:00+00:00`) as a part of a key."""
    name = re.sub(r"[^A-Za-z0-9._=@-]+", "-", run_id).strip("-._")[:120]
    return name or "run"
