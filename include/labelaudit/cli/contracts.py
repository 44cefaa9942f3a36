"""`labelaudit contracts`: which contracts are sound, and what is wrong with the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from labelaudit.cli.options import CONTRACTS, FAILED, ContractsOption, JsonOption
from labelaudit.cli.output import err, escape, tell
from labelaudit.contracts import reading
from labelaudit.errors import InvalidInput


def check_contracts(
    contracts: ContractsOption = CONTRACTS,
    schema: Annotated[bool, typer.Option("--schema", help="write contract.schema.json for editors")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check all contracts: their fields, and their checks against Great Expectations."""
    if schema:
        (contracts / "contract.schema.json").write_text(reading.json_schema(), encoding="utf-8")
    good, broken = reading.read_contracts(contracts)
    problems = {error.where: error.problems for error in broken}
    if any(contract.checks for contract in good):
        from labelaudit.check.expectations import validate_checks

        for contract in good:
            if contract_problems := validate_checks(contract):
                problems[f"{contract.id}.yaml"] = contract_problems
    untried = "" if _knows_airflow() else "Airflow is not installed here"
    problems |= _dag_problems(contracts) if good and not untried else {}
    table = Table("contract", "task", "vendors", "predictions", "schedule", "state")
    for contract in good:
        state = "[red]broken[/red]" if f"{contract.id}.yaml" in problems else "good"
        source = contract.predictions.source
        table.add_row(
            contract.id, contract.task, ", ".join(contract.vendors), source, contract.schedule or "by hand", state
        )
    for error in broken:
        table.add_row(escape(error.where), "", "", "", "", "[red]broken[/red]")
    dags = {"dags": f"not tried: {untried}"} if untried else {}
    tell({"contracts": [contract.id for contract in good], "problems": problems} | dags, as_json, table)
    for where, lines in problems.items():
        for line in lines:
            err.print(f"{escape(where)}: {escape(line)}", highlight=False, soft_wrap=True)
    if untried and good:
        err.print(f"{untried}: whether it takes the contracts' DAGs was not tried.", soft_wrap=True)
    if not good and not broken:
        raise InvalidInput(f"no contracts below {contracts.resolve()}")
    if problems:
        raise typer.Exit(FAILED)


def _knows_airflow() -> bool:
    """Whether the extra `airflow` is installed."""
    return find_spec("airflow") is not None and find_spec("labelaudit_airflow") is not None


def _dag_problems(contracts: Path) -> dict[str, list[str]]:
    """What Airflow has against the DAGs of good contracts; by a process that knows Airflow."""
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
