"""`labelaudit backtest`: what changed terms of a contract would have said of the releases so far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from labelaudit.cli.options import CONTRACTS, HERE, ContractsOption, JsonOption, NameArgument, StoreOption, contract_of
from labelaudit.cli.output import escape, out, tell
from labelaudit.errors import InvalidInput
from labelaudit.judge.backtesting import Replayed, backtest, changed_contract, incidents, not_replayed
from labelaudit.judge.past import read_judged
from labelaudit.run import steps
from labelaudit.storage.opening import open_store

WORDS = {"publish": "published", "hold": "held", "reject": "rejected"}


def backtest_command(
    name: NameArgument,
    changed: Annotated[
        Path | None, typer.Option("--changed", metavar="FILE.yaml", exists=True, dir_okay=False, help="changed terms")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="e.g. regressions.effect=1.5")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="list the releases that stay as they are, too")] = False,
    store: StoreOption = HERE,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Replay the releases so far under changed terms: which would have been held, which incidents opened.

    Without --changed and --set the contract as it is. Changes nothing.
    """
    contract, opened = contract_of(contracts, name), open_store(store)
    other = changed_contract(contracts / f"{name}.yaml", changed, settings or ())
    history = read_judged(contract, opened, steps.open_destination(contract, opened))
    if not history:
        raise InvalidInput(f"{contract.id} has no judged release in {store}: there is nothing to replay")
    before, after = backtest(contract, history), backtest(other, history)
    said = {
        "contract": contract.id,
        "summary": summary(before, after),
        "not_replayed": list(not_replayed(contract, other)),
        "releases": [_side_by_side(*pair) for pair in zip(before, after, strict=True)],
    }
    tell(said, as_json, None)
    if not as_json:
        _show(said, everything)


def summary(before: Sequence[Replayed], after: Sequence[Replayed]) -> str:
    """One sentence: held releases and incidents of a replay, and of the one that it is compared with."""
    held, was_held = (sum(replayed.action != "publish" for replayed in replay) for replay in (after, before))
    broken, was_broken = (sum(bool(replayed.breaches) for replayed in replay) for replay in (after, before))
    opened, was_opened = len(incidents(after)), len(incidents(before))
    return (
        f"{held} of {len(after)} releases would have been held instead of {was_held};"
        f" {broken} with a breach instead of {was_broken}; incidents {opened} instead of {was_opened}"
    )


def _side_by_side(before: Replayed, after: Replayed) -> dict[str, Any]:
    sides = {
        name: {
            "action": replayed.action,
            "breaches": [breach.model_dump(mode="json") for breach in replayed.breaches],
            "incidents": [incident.model_dump(mode="json") for incident in replayed.incidents],
        }
        for name, replayed in (("as_it_is", before), ("as_changed", after))
    }
    differs = _told(before) != _told(after)
    return {"release": after.release, "was_published": after.accepted, "differs": differs, **sides}


def _told(replayed: Replayed) -> tuple[Any, ...]:
    return replayed.action, tuple((breach.clause, breach.subject) for breach in replayed.breaches), replayed.events


def _show(said: dict[str, Any], everything: bool) -> None:
    rows = [release for release in said["releases"] if everything or release["differs"]]
    folded = (Column(name, overflow="fold") for name in ("clauses", "incidents"))
    legend = "+ only as changed, - only as it is"
    table = Table(Column("release", no_wrap=True), "as it is", "as changed", *folded, caption=legend)
    for row in rows:
        sides = [row["as_it_is"], row["as_changed"]]
        actions = [_coloured(side["action"]) for side in sides]
        table.add_row(row["release"], *actions, *(_either(*map(told, sides)) for told in (_clauses, _events)))
    if rows:
        out.print(table)
    else:
        out.print("No release would have been judged otherwise.")
    out.print(said["summary"], highlight=False, soft_wrap=True)
    for release in said["not_replayed"]:
        out.print(f"not replayed: {escape(release)}", highlight=False, soft_wrap=True)


def _coloured(action: str) -> str:
    colour = {"publish": "green", "hold": "yellow"}.get(action, "red")
    return f"[{colour}]{WORDS[action]}[/{colour}]"


def _either(was: list[str], now: list[str]) -> str:
    """What is so in both, what is new (+), and what is gone (-)."""
    lines = [("" if line in was else "+ ") + line for line in now] + [f"- {line}" for line in was if line not in now]
    return escape("\n".join(lines))


def _clauses(side: dict[str, Any]) -> list[str]:
    clauses = [f"{breach['clause']} {breach['subject']}".rstrip() for breach in side["breaches"]]
    return list(dict.fromkeys(clauses))


def _events(side: dict[str, Any]) -> list[str]:
    return [f"{incident['id']} {incident['event']}" for incident in side["incidents"] if incident["event"]]
