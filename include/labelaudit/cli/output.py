"""What the command line says: sentences for people, JSON for programs, progress where a person looks on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich import markup
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment

from labelaudit.contracts.model import Contract
from labelaudit.detect.findings_file import read_findings
from labelaudit.receive.inbox import Waiting
from labelaudit.rendering.visible import visible
from labelaudit.run import steps
from labelaudit.storage.store import Store
from labelaudit.values.verdicts import Outcome


class _Terminal(Console):
    """Shows what is hidden in a text: an escape sequence of a vendor's takes no effect in our terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def escape(text: str) -> str:
    """A text as rich's markup shows it, with nothing hidden; in tables it has its true width."""
    return markup.escape(visible(text))


out, err = _Terminal(), _Terminal(stderr=True)


def tell(value: Any, as_json: bool, text: Any) -> None:
    if as_json:
        # hidden characters stand in strings only: written out, they are JSON's own escapes
        print(visible(json.dumps(value, indent=2, ensure_ascii=False)))
    elif text is not None:
        out.print(text, highlight=False)


@contextmanager
def watched(step: str, as_json: bool) -> Iterator[steps.Progress | None]:
    """A progress bar on stderr, where a person looks on."""
    if as_json or not err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description:32}"), BarColumn(), TextColumn("{task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=err) as bars:
        task = bars.add_task(step, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)
        bars.update(task, total=1, completed=1)


def show(contract: Contract, outcome: Outcome, store: Store, incomplete: Sequence[Waiting]) -> None:
    """`incomplete`: what lies in the inbox and was not looked into."""
    if outcome.status == "nothing":
        out.print(f"Nothing {'can be taken' if incomplete else 'waits'} for {contract.id}.")
    for waits in incomplete:
        out.print(f"[yellow]waits[/yellow] {escape(waits.name)}: {escape(waits.reason)}", highlight=False)
    for delivery in outcome.rejected:
        out.print(f"[red]rejected[/red] {delivery.delivery.name}: {escape(delivery.refusal.message)}", highlight=False)
        out.print(f"  for the vendor: {store.uri_of(delivery.report)}", highlight=False, soft_wrap=True)
    for failure in outcome.failed:
        out.print(f"[red]failed[/red] {failure.delivery}: {escape(failure.error)}. It still waits.", highlight=False)
    if outcome.verdict:
        for breach in outcome.verdict.breaches:
            out.print(f"[yellow]breach[/yellow] {escape(breach.message)}", highlight=False)
    if outcome.audit:
        from labelaudit.detect.run_detectors import looking  # heavy: other commands do without

        for line in looking.lines(read_findings(store, outcome.audit).further):
            out.print(escape(line), highlight=False, soft_wrap=True)
    if outcome.status == "held":
        out.print("[yellow]held[/yellow]: nothing is published. Publish with --publish-held 'why'.")
    if outcome.release:
        release = outcome.release
        state = "was published before" if release.already else "is published"
        out.print(
            f"[green]{release.release}[/green] {state}: {release.items} items, {release.issues} likely wrong;"
            f" {release.accepted_rows} rows accepted, {release.rejected_rows} rejected",
            highlight=False,
        )
        out.print(f"  report: {release.report}", highlight=False, soft_wrap=True)
