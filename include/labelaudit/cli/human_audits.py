"""Commands of human audits: `plan` what people audit, take their `answers`, and print the `defects` rates."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from labelaudit.cli.options import (
    CONTRACTS,
    HERE,
    ContractsOption,
    JsonOption,
    NameArgument,
    ReleaseArgument,
    StoreOption,
    opened,
)
from labelaudit.cli.output import escape, out, tell
from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput
from labelaudit.storage import layout
from labelaudit.storage.store import Store

RATES = ("release", "pooled", "vendor", "class", "annotator", "delivery")
NO_RATE = "model-based range (no human audit)"


def plan(
    name: NameArgument,
    release: ReleaseArgument = None,
    half_width: Annotated[float | None, typer.Option(help="wished half-width of the 95 % interval, e.g. .02")] = None,
    rows: Annotated[int | None, typer.Option(help="items that people can audit")] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE.csv|FILE.json|FOLDER", help="write the release's task files there")
    ] = None,
    acceptance: Annotated[bool, typer.Option("--acceptance", help="the contract's acceptance plans instead")] = False,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """What people audit of a release: how many items, and what more would buy.

    Without --half-width and --rows by the contract's `human_audit`. A release that has a sample keeps it; --to draws
    the sample of a published release that has none.
    """
    from labelaudit.human_audit import offers

    contract, ours, destination = opened(contracts, name, store)
    release = release or _last(contract, ours, destination)
    if acceptance:
        offered = offers.acceptance_offers(contract, ours, release)
        tell(offered, as_json, None)
        if not as_json:
            for offer in offered:
                _show_acceptance(offer)
        return
    terms = offers.terms(contract, half_width, rows)
    offered = offers.offer(contract, ours, destination, release, terms, draws=to is not None)
    if to is not None:
        offered["written"] = [str(path) for path in offers.write_files(contract, ours, release, to)]
    tell(offered, as_json, None)
    if not as_json:
        _show_plan(offered, contract)


def answers(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="filled tasks.csv, or Label Studio JSON")],
    to: Annotated[str, typer.Option("--to", metavar="CUSTOMER/DATASET")],
    by: Annotated[str | None, typer.Option(help="who answered; by default, who runs this")] = None,
    correct: Annotated[bool, typer.Option("--correct", help="other answers replace earlier ones")] = False,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Take the answers of a human audit back; a file with one wrong row is refused as a whole."""
    from labelaudit.human_audit.answers import take

    contract, ours, _ = opened(contracts, to, store)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    taken = take(contract, ours, file, by or getpass.getuser(), at, correct)
    told = (
        f"{taken.new} new answers for {taken.release} ({taken.corrected} corrections, {taken.unanswerable} can't be"
        f" told); {taken.already} were known, {taken.unanswered} tasks of the file have none yet."
        f" For the rates: labelaudit defects {contract.id} {taken.release}"
    )
    tell(taken.model_dump(), as_json, escape(told))


def defects(
    name: NameArgument,
    release: ReleaseArgument = None,
    by: Annotated[str, typer.Option(help="any of " + ",".join(RATES))] = "release,pooled,vendor,class",
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """The measured defect rates of a release, with 95 % intervals."""
    from labelaudit.human_audit import offers, release_rates
    from labelaudit.storage import release_log

    contract, ours, destination = opened(contracts, name, store)
    wanted = [name.strip() for name in by.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in RATES]:
        raise InvalidInput(f"--by {','.join(unknown)}: choose of {', '.join(RATES)}")
    published = [entry.release for entry in release_log.log(destination)]
    release = release or _last(contract, ours, destination)
    before = published[: published.index(release)] if release in published else published
    progress = release_rates.progress(contract, ours, release)
    if progress is None and release not in published:
        raise InvalidInput(f"{contract.id} has no release {release}, and no sample of it; see: labelaudit releases")
    rates = [rate for rate in release_rates.release_rates(contract, ours, release, before) if rate.of in wanted]
    measured = progress is not None and progress.answered > 0
    shown: dict[str, Any] = {
        "release": release,
        "tasks": progress.tasks if progress else 0,
        "answered": progress.answered if progress else 0,
        "cant_tell": progress.cant_tell if progress else 0,
        "rates": [rate.model_dump(mode="json") for rate in rates],
    }
    if not measured:
        shown["model_based_range"] = offers.model_based_range(destination, release)
    tell(shown, as_json, None)
    if not as_json:
        _show_rates(shown)


def _last(contract: Contract, store: Store, destination: Store) -> str:
    """The newest release: a held one whose sample waits for answers, or the last published."""
    from labelaudit.storage import release_log

    published = release_log.state(destination).release
    asked = store.folders(layout.human_audits(contract.customer, contract.dataset))
    newest = max((release.split("-")[0], release == published, release) for release in (*asked, published or ""))[2]
    if not newest:
        raise InvalidInput(f"{contract.id} has no release yet: labelaudit run {contract.id}")
    return newest


def _percent(rate: float) -> str:
    return f"{100 * rate:.2f} %"


def _show_plan(plan: dict[str, Any], contract: Contract) -> None:
    if plan["rows"]:
        out.print(
            f"{plan['release']}: audit {plan['rows']} of {plan['items']} items for a 95 % interval of about ±"
            f" {_percent(plan['half_width'])}; a plain random sample would need {plan['random_rows']}.",
            highlight=False,
        )
        table = Table(Column("items audited", justify="right"), Column("half-width", justify="right"))
        for rows, width in plan["table"]:
            table.add_row(str(rows), "± " + _percent(width))
        out.print(table)
    for lot in plan["lots"]:
        out.print(
            escape(f"{lot['delivery']}: {lot['rows']} of its {lot['items']} items, by its acceptance plan"),
            highlight=False,
        )
    if plan["files"]:
        told = f"The sample has {plan['tasks']} tasks ({plan['answered']} answered). Its files:"
        out.print(told, highlight=False)
        for path in plan.get("written") or plan["files"]:
            out.print(f"  {escape(path)}", highlight=False, soft_wrap=True)
        told = f"Answers: one of the classes, or can't tell. Then: labelaudit answers FILE --to {contract.id}"
        out.print(escape(told), highlight=False)
    else:
        out.print("There is no sample of it yet: --to FOLDER draws it and writes the task files.", highlight=False)


def _show_acceptance(offer: dict[str, Any]) -> None:
    lot = f"a lot of {offer['lot_items']} items" if offer["lot_items"] else "a large lot"
    out.print(escape(f"{offer['delivery'] or 'any delivery'}: {offer['kind']} plan for {lot}"), highlight=False)
    for line in offer["says"]:
        out.print(f"  {line}", highlight=False)
    names = ("defect rate", "accepted with", "expected audited")
    table = Table(*(Column(name, justify="right") for name in names))
    for rate, accepted, audited in offer["curve"]:
        table.add_row(_percent(rate), _percent(accepted), f"{audited:.1f}")
    out.print(table)


def _show_rates(shown: dict[str, Any]) -> None:
    if "model_based_range" in shown:
        ends = shown["model_based_range"]
        told = f"{_percent(ends[0])} to {_percent(ends[2])}" if ends else "none"
        out.print(f"{shown['release']}: no answers. {NO_RATE}: {told}", highlight=False)
    else:
        out.print(
            f"{shown['release']}: {shown['answered']} of {shown['tasks']} tasks answered,"
            f" {shown['cant_tell']} more can't be told",
            highlight=False,
        )
    if shown["rates"]:
        table = Table("of", "subject", "rate", "95 % interval", "defects", "audited items", "of items", "per")
        for rate in shown["rates"]:
            ends = f"{_percent(rate['low'])} to {_percent(rate['high'])}"
            numbers = (f"{rate['defects']:g}", str(rate["audited"]), str(rate["items"]), rate["per"])
            table.add_row(rate["of"], escape(rate["subject"]), _percent(rate["value"]), ends, *numbers)
        out.print(table)
