"""`labelaudit new`: a first contract from a sample; what can't be told is asked, and what is in doubt is said first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from labelaudit.cli.options import CONTRACTS, ContractsOption, JsonOption, NameArgument, split
from labelaudit.cli.output import err, escape, tell
from labelaudit.errors import InvalidInput, Undecided
from labelaudit.propose.proposal import Proposal, contract_from

SHOWN_CHOICES = 30


def new(
    name: NameArgument,
    file: Annotated[Path, typer.Option("--from", help="a file as the vendor delivers it", exists=True)],
    vendor: Annotated[str, typer.Option(help="name of the vendor")] = "vendor",
    item: Annotated[str | None, typer.Option(help="the sample's item column")] = None,
    annotator: Annotated[str | None, typer.Option(help="the sample's annotator column")] = None,
    label: Annotated[str | None, typer.Option(help="the sample's label column")] = None,
    raters: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="columns that hold one rater's labels each")
    ] = None,
    question: Annotated[str | None, typer.Option(help="which question the label answers, where several are")] = None,
    as_format: Annotated[str | None, typer.Option("--format", help="where it can't be told")] = None,
    encoding: Annotated[str | None, typer.Option(help="where it can't be told")] = None,
    contracts: ContractsOption = CONTRACTS,
    as_json: JsonOption = False,
) -> None:
    """Write a first contract from a sample file, and say what of such files would be rejected or could not be judged.

    At a terminal it asks what it can't tell, and before it writes what is in doubt.
    """
    customer, dataset = split(name)
    path = contracts / customer / f"{dataset}.yaml"
    if path.exists():
        raise InvalidInput(f"{path} is there already; delete it first, or choose another name")
    said = {"item": item, "annotator": annotator, "label": label, "raters": raters, "question": question}
    said |= {"format": as_format, "encoding": encoding}
    asking = not as_json and is_terminal()
    proposal = _proposed(file, customer, dataset, vendor, said, asking)
    for note in () if as_json else proposal.notes:
        err.print(f"[yellow]check[/yellow] {escape(note)}", highlight=False, soft_wrap=True)
    if proposal.notes and asking and not typer.confirm("Write the contract so?", default=True, err=True):
        raise typer.Exit(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(proposal.text, encoding="utf-8")
    tell(
        {"contract": str(path), "check": list(proposal.notes)},
        as_json,
        f"Wrote {path}. Read it, correct it, then: labelaudit contracts",
    )


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _proposed(
    file: Path, customer: str, dataset: str, vendor: str, said: dict[str, str | None], asking: bool
) -> Proposal:
    """The proposal; at a terminal, each choice that a person must make is asked for. Raises Undecided elsewhere."""
    while True:
        try:
            return contract_from(file, customer, dataset, vendor, said)
        except Undecided as error:
            if not asking or not error.choices:
                raise
            said[error.option] = _chosen(error)


def _chosen(undecided: Undecided) -> str:
    choices = undecided.choices[:SHOWN_CHOICES]
    err.print(escape(undecided.question), highlight=False, soft_wrap=True)
    for number, choice in enumerate(choices, 1):
        err.print(f"  {number}  {escape(choice)}", highlight=False, soft_wrap=True)
    while True:
        answer = typer.prompt("number or name", err=True).strip()
        if answer in undecided.choices:
            return answer
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]
        err.print(f"There is no {escape(answer[:80])}.", highlight=False)
