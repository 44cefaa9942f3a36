"""Takes the answers of a human audit back: each must prove that it belongs to the item and the content it names.

A file counts whole or not at all: rows that were shifted leave some pairs right by chance, and those must not count.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelaudit.contracts.model import Contract
from labelaudit.errors import InvalidInput, ReleaseConflict
from labelaudit.human_audit import samples, task_files
from labelaudit.human_audit.answer_files import AnswerRow, printable, read_rows, shown_name
from labelaudit.human_audit.samples import AnswerGiven, AnswersFile
from labelaudit.human_audit.task_files import CANT_TELL, Task
from labelaudit.rendering.spreadsheet import safe_cell
from labelaudit.storage import layout
from labelaudit.storage.store import Store
from labelaudit.values.value import Value

SHOWN = 10
TRIES = 20


class Taken(Value):
    """What became of a file of answers: new ones (`corrected` and `unanswerable` of them), those known before, and
    tasks of the file without an answer."""

    release: str
    new: int
    already: int
    corrected: int
    unanswerable: int
    unanswered: int


@dataclass(frozen=True)
class Refused:
    """An answer that does not count. line: as AnswerRow has it; column: of the spreadsheet, or the task's field."""

    line: int
    item: str
    column: str
    reason: str


def take(contract: Contract, store: Store, path: Path, by: str, at: str, correct: bool = False) -> Taken:
    """Keep the answers of a filled `tasks.csv`, or of a JSON export of Label Studio.

    by: who answered; at: ISO time. An empty answer is none yet. The same answer again changes nothing; another answer
    for an item is refused, unless `correct`: then the newest counts, and the older ones are kept. Raises InvalidInput,
    with the first ten reasons, where any row is refused; then nothing is kept.
    """
    rows = read_rows(path)
    release = _release(contract, rows, path)
    folder = samples.prefix(contract, release)
    if not store.exists(samples.sample_key(contract, release)):
        raise InvalidInput(f"{shown_name(path)}: {contract.id} has no sample of release {release}; is --to right?")
    given, refused = _verified(contract, store, release, rows, task_files.read_tasks(store, folder))
    for _ in range(TRIES):
        number = len(samples.answer_keys(contract, store, release))
        before = samples.read_answers(contract, store, release)
        other = [item for item, (answer, _) in given.items() if item in before and before[item] != answer]
        conflicts = [
            Refused(
                given[item][1],
                item,
                "answer",
                f"was answered {_said(before[item])} before and is {_said(given[item][0])} now: if this is right, take"
                " the file with --correct",
            )
            for item in other
            if not correct
        ]
        _refuse(path, sorted([*refused, *conflicts], key=lambda refused_row: refused_row.line))
        new = {item: answer for item, (answer, _) in given.items() if item not in before or item in other}
        handed_in = AnswersFile(
            by=printable(by),
            at=at,
            source=shown_name(path),
            answers=tuple(AnswerGiven(item=item, answer=answer) for item, answer in new.items()),
        )
        content = handed_in.model_dump_json(indent=1).encode()
        if not new or store.put_if_absent(f"{folder}answers/{number + 1:06d}.json", content):
            return Taken(
                release=release,
                new=len(new),
                already=len(given) - len(new),
                corrected=len(other),
                unanswerable=sum(answer is None for answer in new.values()),
                unanswered=sum(not row.answers for row in rows),
            )
    raise ReleaseConflict(f"others hand in answers for {release} at this moment; take {shown_name(path)} again")


def _release(contract: Contract, rows: Sequence[AnswerRow], path: Path) -> str:
    """The release that all rows name. Raises InvalidInput where it can be none of ours, or they name several."""
    names = Counter(row.release for row in rows)
    if not names:
        raise InvalidInput(f"{shown_name(path)} has no rows; hand in the tasks of {contract.id} with their answers")
    odd = next((row for row in rows if row.release and not layout.is_safe_part(row.release)), None)
    if odd:
        raise InvalidInput(
            f"{shown_name(path)}, line {odd.line}, column `release`: {_short(odd.release)} is no name of a release;"
            " fill the answers into the original file"
        )
    if len(names) == 1 and "" not in names:
        return next(iter(names))
    told = ", ".join(f"{name or 'none'} ({count} rows)" for name, count in names.most_common(5))
    raise InvalidInput(
        f"{shown_name(path)} has tasks of several releases, or of none: {told}. Hand in each release's answers by"
        " themselves"
    )


def _verified(
    contract: Contract, store: Store, release: str, rows: Sequence[AnswerRow], tasks: dict[str, Task]
) -> tuple[dict[str, tuple[str | None, int]], list[Refused]]:
    """The answers by item, with their lines; and what is refused. Rows without an answer are verified, too."""
    prove = task_files.signer(contract, store)
    names = _names(tasks)
    owners = {task.proof: item for item, task in tasks.items()}
    given: dict[str, tuple[str | None, int]] = {}
    refused = []
    for row in rows:
        item = owners.get(row.proof.strip())  # of two items that can be spelt alike, the one that is proven
        if item is None or _plain(row.item) not in (_plain(item), _plain(safe_cell(item))):
            item = names.get(_plain(row.item)) or names.get(_number(row.item) or "")
        reason, column = None, "item"
        if item is None:
            reason = f"is not an item of the sample of {release}: hand in the file that was made for this release"
        elif not _is_proof(row.proof.strip(), prove(release, item, tasks[item].content)):
            column = "proof"
            reason = _not_proven(row, owners.get(row.proof.strip()))
        elif _plain(row.content) not in (_plain(tasks[item].content), _plain(safe_cell(tasks[item].content))):
            column = "content"
            reason = (
                "the content beside it is not what was shown for this item: rows were shifted, a column was sorted by"
                " itself, or the text was edited or cut. Fill the answers into the original file"
            )
        if reason:
            refused.append(Refused(row.line, row.item, column, reason))
            continue
        for text in row.answers:
            known, answer = _answer(contract, text)
            if not known:
                told = f"the answer {_short(text)} is neither a class nor {CANT_TELL!r}"
                refused.append(Refused(row.line, row.item, "answer", told))
            elif given.setdefault(item, (answer, row.line))[0] != answer:
                told = f"has two answers in this file, {_said(given[item][0])} and {_said(answer)}: keep one"
                refused.append(Refused(row.line, row.item, "answer", told))
    return given, refused


def _is_proof(text: str, proof: str) -> bool:
    """Whether a text, which may hold any character at all, is the proof; in constant time."""
    return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), proof.encode())


def _not_proven(row: AnswerRow, owner: str | None) -> str:
    if not row.proof.strip():
        return "has no proof: keep the `proof` column as it was"
    if owner is not None:
        return (
            f"its proof belongs to item {_short(owner)}: rows were shifted or a column was sorted by itself. Fill the"
            " answers into the original file"
        )
    return "its proof is not ours: it was changed, or is of another release. Fill the answers into the original file"


def _names(tasks: dict[str, Task]) -> dict[str, str]:
    """Items by how a spreadsheet program may have left them: as they are, defused, without leading zeros.

    A spelling that two items of the sample share stands for neither.
    """
    exact = {_plain(item): item for item in tasks}
    others: dict[str, set[str]] = {}
    for item in tasks:
        for spelt in (_plain(safe_cell(item)), _number(item)):
            if spelt is not None and spelt not in exact:
                others.setdefault(spelt, set()).add(item)
    return {spelt: next(iter(items)) for spelt, items in others.items() if len(items) == 1} | exact


def _number(text: str) -> str | None:
    """Digits as a spreadsheet program writes them back, where it loses nothing but leading zeros."""
    text = text.strip()
    return (text.lstrip("0") or "0") if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _answer(contract: Contract, text: str) -> tuple[bool, str | None]:
    """Whether a text is an answer, and which class; None: can't tell. Case and outer spaces do not count where only
    one class can be meant."""
    if text in contract.classes:
        return True, text
    for form in (lambda text: text.strip(), lambda text: text.strip().casefold()):
        fits = {label for label in contract.classes if form(text) in (form(label), form(str(safe_cell(label))))}
        if len(fits) == 1:
            return True, fits.pop()
    told = text.strip().casefold().replace("'", "").replace("\u2019", "")
    return told in ("cant tell", "cannot tell"), None


def _said(answer: str | None) -> str:
    return CANT_TELL if answer is None else repr(answer)


def _short(text: str) -> str:
    """A text that a file claims, as a message can show it: quoted, odd characters escaped, and not endless."""
    return repr(text[:80])


def _refuse(path: Path, refused: Sequence[Refused]) -> None:
    if refused:
        lines = [
            f"line {row.line}, column `{row.column}`, item {_short(row.item)}: {row.reason}" for row in refused[:SHOWN]
        ]
        more = [f"and {len(refused) - SHOWN} more"] if len(refused) > SHOWN else []
        told = "\n".join([*lines, *more])
        raise InvalidInput(
            f"{shown_name(path)}: {len(refused)} answers are refused, so none of the file counts.\n{told}"
        )
