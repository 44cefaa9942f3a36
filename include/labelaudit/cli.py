"""The command line: the whole audit without Airflow. Exit codes: 0 accepted, 2 held, 3 rejected, 1 failed."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from labelaudit import cli_audit, cli_backtest, cli_releases, layout, steps, time_limits
from labelaudit import contracts as contract_files
from labelaudit.cli_doctor import doctor
from labelaudit.cli_new import new
from labelaudit.cli_output import err, escape, show, tell, watched
from labelaudit.cli_read import read
from labelaudit.contract import Contract
from labelaudit.errors import ContractError, InvalidInput, LabelauditError
from labelaudit.store import open_store

ACCEPTED, FAILED, HELD, REJECTED = 0, 1, 2, 3
EXIT_OF = {"published": ACCEPTED, "nothing": ACCEPTED, "held": HELD, "rejected": REJECTED}

app = typer.Typer(
    name="labelaudit",
    help="Audit deliveries of human labels. Exit codes: 0 accepted, 2 held, 3 rejected, 1 failed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(new)
app.command()(read)
app.command()(doctor)
for command in (cli_audit.plan, cli_audit.answers, cli_audit.defects):
    app.command()(command)
for command in (cli_releases.releases, cli_releases.verify, cli_releases.expire):
    app.command()(command)
app.command("backtest")(cli_backtest.backtest_command)

StoreOption = Annotated[str, typer.Option("--store", envvar="LABELAUDIT_STORE", help="file:///folder or s3://bucket")]
ContractsOption = Annotated[
    Path, typer.Option("--contracts", envvar="LABELAUDIT_CONTRACTS", help="folder of contracts")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for programs")]
HERE, CONTRACTS = "file://" + str(Path.cwd() / "labelaudit-store"), Path("include/contracts")


def main() -> None:
    """The console script: an error of ours is a sentence and an exit code, no traceback."""
    try:
        app()
    except LabelauditError as error:
        if "--json" in sys.argv:
            print(json.dumps({"status": "failed", "error": type(error).__name__, "message": str(error)}))
        err.print(f"[red]{type(error).__name__}[/red]: {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(FAILED) from error


@app.command("contracts")
def check_contracts(
    contracts: ContractsOption = CONTRACTS,
    schema: Annotated[bool, typer.Option("--schema", help="write contract.schema.json for editors")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check all contracts: their fields, and their checks against Great Expectations."""
    if schema:
        (contracts / "contract.schema.json").write_text(contract_files.json_schema(), encoding="utf-8")
    good, broken = contract_files.read_contracts(contracts)
    problems = {error.where: error.problems for error in broken}
    if any(contract.checks for contract in good):
        from labelaudit.expectations import validate_checks

        for contract in good:
            if found := validate_checks(contract):
                problems[f"{contract.id}.yaml"] = found
    problems |= _dag_problems(contracts) if good else {}
    table = Table("contract", "task", "vendors", "predictions", "schedule", "state")
    for contract in good:
        state = "[red]broken[/red]" if f"{contract.id}.yaml" in problems else "good"
        source = contract.predictions.source
        table.add_row(
            contract.id, contract.task, ", ".join(contract.vendors), source, contract.schedule or "by hand", state
        )
    for error in broken:
        table.add_row(escape(error.where), "", "", "", "", "[red]broken[/red]")
    tell({"contracts": [contract.id for contract in good], "problems": problems}, as_json, table)
    for where, lines in problems.items():
        for line in lines:
            err.print(f"{escape(where)}: {escape(line)}", highlight=False, soft_wrap=True)
    if not good and not broken:
        raise InvalidInput(f"no contracts below {contracts.resolve()}")
    if problems:
        raise typer.Exit(FAILED)


@app.command()
def deliver(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)],
    vendor: Annotated[str, typer.Option("--vendor", help="who delivers")],
    to: Annotated[str, typer.Option("--to", metavar="CUSTOMER/DATASET")],
    delivery: Annotated[str, typer.Option("--id", help="the delivery's id")],
    supersedes: Annotated[list[str] | None, typer.Option(help="id of a delivery that this one replaces")] = None,
    guideline: Annotated[str | None, typer.Option(help="version of the labelling guideline")] = None,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Put files into the inbox, and their manifest last."""
    from labelaudit import manifests

    contract = _contract(contracts, to)
    if vendor not in contract.vendors:
        raise InvalidInput(f"{contract.id} has no vendor {vendor!r}; it has {', '.join(contract.vendors)}")
    with watched("deliver", as_json) as progress:
        folder = manifests.deliver(
            open_store(store),
            contract.customer,
            contract.dataset,
            vendor,
            delivery,
            files,
            supersedes=supersedes or (),
            guideline=guideline,
            progress=progress,
        )
    told = f"Delivered {len(files)} file(s). To audit: labelaudit run {contract.id} --store {store}"
    tell({"delivery": f"{vendor}/{delivery}", "folder": folder}, as_json, told)


@app.command()
def gold(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: item, label")],
    to: Annotated[str, typer.Option("--to", metavar="CUSTOMER/DATASET")],
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Put the labels that are known into the store, under the name that the contract gives in `gold`."""
    from labelaudit.gold import put_gold

    opened = open_store(store)
    key, items = put_gold(_contract(contracts, to), opened, file)
    tell({"gold": opened.uri_of(key), "items": items}, as_json, f"{items} gold items are at {opened.uri_of(key)}")


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="CUSTOMER/DATASET")],
    delivery: Annotated[list[str] | None, typer.Option(help="only this delivery (id, or vendor/id)")] = None,
    again: Annotated[bool, typer.Option("--again", help="audit what was published or rejected once more")] = False,
    hold: Annotated[bool, typer.Option("--hold", help="stop before publishing")] = False,
    publish_held: Annotated[
        str | None, typer.Option("--publish-held", metavar="NOTE", help="publish even if held; the report says why")
    ] = None,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Audit the deliveries that wait, and publish a release."""
    from labelaudit import manifests
    from labelaudit.whole_run import whole_run

    contract = _contract(contracts, name)
    opened = open_store(store)
    destination = steps.open_destination(contract, opened)
    limit = time_limits.minutes(os.environ.get(time_limits.VARIABLE)) * 60
    outcome = whole_run(
        contract,
        opened,
        destination,
        f"cli-{secrets.token_hex(6)}",
        deliveries=delivery or (),
        again=again,
        hold=hold,
        publish_held=publish_held,
        watch=lambda step: _limited(step, as_json, limit),
    )
    incomplete = manifests.incomplete(contract, opened)
    waits = [one.model_dump(mode="json") for one in incomplete]
    tell(outcome.model_dump(mode="json") | {"incomplete": waits}, as_json, None)
    if not as_json:
        show(contract, outcome, opened, incomplete)
    raise typer.Exit(FAILED if outcome.failed else EXIT_OF[outcome.status])


@app.command()
def rejects(
    name: Annotated[str, typer.Argument(metavar="CUSTOMER/DATASET")],
    vendor: Annotated[str | None, typer.Option(help="of this vendor only")] = None,
    delivery: Annotated[str | None, typer.Option(help="of this delivery only")] = None,
    code: Annotated[str | None, typer.Option(help="of this reason only")] = None,
    since: Annotated[str | None, typer.Option(help="since a day, e.g. 2026-11-01")] = None,
    by: Annotated[str, typer.Option(help="what to count by")] = "vendor,code",
    csv: Annotated[Path | None, typer.Option("--csv", help="write the rows to a spreadsheet instead")] = None,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Count the rejected rows of all deliveries, over time."""
    from labelaudit.cli_rejects import show_rejects

    opened = open_store(store)
    show_rejects(_contract(contracts, name), opened, vendor, delivery, code, since, by, csv, as_json)


def _dag_problems(contracts: Path) -> dict[str, list[str]]:
    """What Airflow has against the DAGs of good contracts, where it is installed; by a process that knows Airflow."""
    if find_spec("airflow") is None or find_spec("labelaudit_airflow") is None:
        return {}
    with tempfile.TemporaryDirectory() as home:  # Airflow writes into its home when it is imported
        asked = subprocess.run(  # noqa: S603 # our own module
            [sys.executable, "-m", "labelaudit_airflow.audit_dags", str(contracts)],
            env={"AIRFLOW_HOME": home} | os.environ,
            capture_output=True,
            text=True,
        )
    if asked.returncode:
        err.print(f"The DAGs could not be tried: {escape(asked.stderr[-500:])}", highlight=False, soft_wrap=True)
        return {}
    return json.loads(asked.stdout.splitlines()[-1])


@contextmanager
def _limited(step: str, as_json: bool, seconds: float) -> Iterator[steps.Progress | None]:
    with time_limits.limited(step, seconds), watched(step, as_json) as progress:
        yield progress


def _split(name: str) -> tuple[str, str]:
    customer, slash, dataset = name.partition("/")
    if not slash or not customer or not dataset:
        raise InvalidInput(f"{name!r} is not CUSTOMER/DATASET")
    return customer, dataset


def _contract(folder: Path, name: str) -> Contract:
    customer, dataset = _split(name)
    path = folder / customer / f"{dataset}.yaml"
    if not layout.is_safe_part(customer) or not layout.is_safe_part(dataset) or not path.is_file():
        there = ", ".join(f"{one.parent.name}/{one.stem}" for one in contract_files.contract_paths(folder)) or "none"
        raise ContractError(f"{name}.yaml", [f"is not below {folder.resolve()}; there are: {there}"])
    return contract_files.read_contract(path)
