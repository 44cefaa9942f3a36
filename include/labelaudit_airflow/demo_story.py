"""What `make run` says at its end: what was published, rejected, held and found, who is to blame, and where to look.

Read from what the runs left behind, so that a second run tells the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labelaudit.contracts.model import Contract
from labelaudit.judge import past
from labelaudit.judge.stream_words import rate_of, whose
from labelaudit.rejects import recorded
from labelaudit.rejects.words import title
from labelaudit.storage import layout, release_log
from labelaudit.storage.store import Store
from labelaudit.values.deliveries import CheckedDelivery
from labelaudit.values.verdicts import Incident, StreamChange

SHOWN = 3


class ToldItem(BaseModel):
    item: str
    given: str
    suggested: str


class ToldBreach(BaseModel):
    message: str


class ToldVerdict(BaseModel):
    breaches: tuple[ToldBreach, ...]


class Told(BaseModel):
    """What the story takes of a report.json; of another version of ours, too."""

    release: str
    items: int
    issues: int
    delivered_rows: int
    rejected_rows: int
    verdict: ToldVerdict
    worst: tuple[ToldItem, ...]


def tell(contract: Contract, store: Store, destination: Store, console: Console) -> None:
    """A dataset's releases as a table, then its story."""
    reports, rejected = read_reports(destination), recorded.rejections(contract, store)
    console.print(releases(contract, reports))
    story = Table.grid(padding=(0, 2))
    story.add_column(style="bold", no_wrap=True)
    story.add_column(overflow="fold")
    for about, lines in (
        ("rejected", _some([_rejection(delivery) for _, delivery in rejected])),
        ("incident", _some([_incident(incident) for incident in past.read_open(contract, store)], "none is open")),
        ("held", list(_held(contract, store, destination))),
        ("limits", list(_breaches(contract, reports))),
        (
            "worst",
            [f"{item.item}: given {item.given}, rather {item.suggested}" for item in _worst(reports)] or ["nothing"],
        ),
    ):
        for place, line in enumerate(lines):
            story.add_row("" if place else about, escape(line))
    console.print(story)
    links = [destination.uri_of(layout.release(report.release) + "report.html") for report in reports[-1:]]
    links += [store.uri_of(prefix + "rejection.html") for prefix, _ in rejected[:SHOWN]]
    for place, link in enumerate(links):
        about = "" if place else "reports"
        console.print(f"[bold]{about:<10}[/bold]{escape(link)}", soft_wrap=True, highlight=False)


def where_to_look(console: Console, home: str, store: str, contract: Contract) -> None:
    """Commands to type next."""
    console.print("\n[bold]Look closer[/bold]")
    for command, why in (
        (f". .venv/bin/activate; export LABELAUDIT_STORE={store}", ""),
        (f"labelaudit releases {contract.id}", "every release with its report"),
        (f"labelaudit rejects {contract.id} --by vendor,code", "rejects over time"),
        (f"labelaudit verify {contract.id}", "every file and row of the last release"),
        ("make up" + ("" if home == ".demo" else f" HOME_FOLDER={home}"), "the same in Airflow, with a page"),
    ):
        console.print(f"  {command}{f'  # {why}' if why else ''}", soft_wrap=True, highlight=False)


def read_reports(destination: Store) -> list[Told]:
    """What the report of every release says, oldest first."""
    keys = [layout.release(entry.release) + "report.json" for entry in release_log.log(destination)]
    return [Told.model_validate_json(destination.read(key)) for key in keys]


def releases(contract: Contract, reports: list[Told]) -> Table:
    table = Table("release", "items", "likely wrong", "rate", "rows rejected", title=contract.id, title_justify="left")
    for report in reports:
        rate = f"{report.issues / report.items:.1%}" if report.items else "none"
        rows = f"{report.rejected_rows} of {report.delivered_rows}"
        table.add_row(report.release, str(report.items), str(report.issues), rate, rows)
    return table


def _some(lines: list[str], none: str = "nothing") -> list[str]:
    more = [f"… and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more] or [none]


def _rejection(delivery: CheckedDelivery) -> str:
    rows = f", {delivery.delivered_rows} rows" if delivery.delivered_rows else ""
    return f"{delivery.delivery.name}{rows}: {title(delivery.refusal.code).lower()}. {delivery.refusal.message}"


def _incident(incident: Incident) -> str:
    blamed = f"vendor {incident.vendor} is to blame" if incident.vendor else "several vendors, or all, are to blame"
    people = f" Its annotators that carry it: {', '.join(incident.annotators)}." if incident.annotators else ""
    changes = "; ".join(map(_change, incident.streams[:SHOWN]))
    return f"{blamed} since {incident.since} ({incident.severity}): {changes}.{people}"


def _change(change: StreamChange) -> str:
    before, since = (
        f"{x / n:.1%}" if n else "none" for x, n in ((change.before_x, change.before_n), (change.x, change.n))
    )
    return f"{rate_of(change.metric)}{whose(change.vendor)}: {before} before, {since} since"


def _held(contract: Contract, store: Store, destination: Store) -> Iterator[str]:
    published = {entry.sequence for entry in release_log.log(destination)}
    waiting = [judged for judged in past.read_judged(contract, store, destination) if judged.sequence not in published]
    for release in waiting:
        yield f"{release.release} waits for an answer: open its run in Airflow, task `approve`"
    if not waiting:
        yield "nothing"


def _breaches(contract: Contract, reports: list[Told]) -> Iterator[str]:
    """How many releases break a limit, and what the last of them breaks."""
    breached = [report for report in reports if report.verdict.breaches]
    if not breached:
        yield "all kept"
        return
    so = "; published and told: `on_breach: alert`" if contract.on_breach == "alert" else ""
    yield f"broken by {len(breached)} of {len(reports)} releases{so}. The last, {breached[-1].release}:"
    yield from (f"- {breach.message}" for breach in breached[-1].verdict.breaches[:SHOWN])


def _worst(reports: list[Told]) -> tuple:
    return reports[-1].worst[:SHOWN] if reports else ()
