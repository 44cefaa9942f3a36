"""The command line: the whole audit without Airflow. Exit codes: 0 accepted, 2 held, 3 rejected, 1 failed."""

from __future__ import annotations

import json
import sys

import typer

from labelaudit.cli import (
    backtest,
    backups,
    contracts,
    deliveries,
    doctor,
    forget,
    human_audits,
    new,
    read,
    releases,
    runs,
    show,
)
from labelaudit.cli.options import FAILED
from labelaudit.cli.output import err, escape
from labelaudit.errors import LabelauditError

COMMANDS = {
    "new": new.new,
    "read": read.read,
    "contracts": contracts.check_contracts,
    "deliver": deliveries.deliver,
    "gold": deliveries.gold,
    "run": runs.run,
    "rejects": deliveries.rejects,
    "releases": releases.releases,
    "show": show.show,
    "verify": releases.verify,
    "expire": releases.expire,
    "forget": forget.forget,
    "backup": backups.backup,
    "restore": backups.restore,
    "plan": human_audits.plan,
    "answers": human_audits.answers,
    "defects": human_audits.defects,
    "backtest": backtest.backtest_command,
    "doctor": doctor.doctor,
}

app = typer.Typer(
    name="labelaudit",
    help="Audit deliveries of human labels. Exit codes: 0 accepted, 2 held, 3 rejected, 1 failed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for name, command in COMMANDS.items():
    app.command(name)(command)


def main() -> None:
    """The console script: an error of ours is a sentence and an exit code, no traceback."""
    try:
        app()
    except LabelauditError as error:
        if "--json" in sys.argv:
            print(json.dumps({"status": "failed", "error": type(error).__name__, "message": str(error)}))
        err.print(f"[red]{type(error).__name__}[/red]: {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(FAILED) from error
