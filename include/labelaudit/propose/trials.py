"""A proposed contract, tried on its sample: what share of it would be rejected, and why, before anything is agreed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from labelaudit import readers
from labelaudit.contracts.model import Contract
from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.readers.documents.noting import count_paths, listed
from labelaudit.rejects.words import SET_ASIDE, advice, title
from labelaudit.stage.staging import terms_for

SHOWN_PATHS = 8


@dataclass
class SampleTrial:
    """Rows that the contract takes, rejects by code, what no column has; or the column that can't be read at all."""

    rows: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    untaken: Counter[str] = field(default_factory=Counter)
    unfit: str | None = None

    @property
    def faults(self) -> Counter[str]:
        """Rejects that are a fault of the file: not what was skipped or not labelled."""
        return Counter({code: count for code, count in self.rejects.items() if code not in SET_ASIDE})


def tried(file: Path, contract: Contract, vendor: str, limit: int) -> SampleTrial:
    """The sample, read as the contract would have it; after `limit` rows no further.

    Raises InvalidInput where nothing of it can be taken.
    """
    terms, trial = terms_for(contract, vendor, file.name), SampleTrial()
    try:
        for batch in readers.read(file, terms):
            trial.rows += batch.rows.num_rows
            trial.rejects.update(reject.code for reject in batch.rejects)
            for reject in batch.rejects:
                trial.reasons.setdefault(reject.code, f"{reject.reason} (line {reject.line})")
            count_paths(trial.untaken, batch.untaken)
            if trial.rows + trial.rejects.total() >= limit:
                break
    except DeliveryRejected as error:
        unfit = (field.name for field in terms.fields if f"column {field.source!r} is" in str(error))
        if error.code == "column_type" and (name := next(unfit, None)):
            trial.unfit = name
            return trial
        raise InvalidInput(f"{file}: can't be read as its contract would have it: {error}") from error
    if not trial.rows:
        why = "".join(f": {reason}" for reason in list(trial.reasons.values())[:1])
        raise InvalidInput(f"{file}: no row can be taken{why}. Correct the sample, or name other columns")
    return trial


def notes_on(trial: SampleTrial, contract: Contract) -> list[str]:
    """What a person should know before such files are delivered."""
    notes = []
    for code, count in trial.faults.most_common():
        notes.append(f"rejects: {_share(count, trial)} would be `{code}`: {trial.reasons[code]}. {advice(code)}")
    tolerated = contract.tolerance.rejected_rows_rate
    if trial.faults.total() > tolerated * (trial.rows + trial.faults.total()):
        notes.append(
            f"`tolerance`: more than {tolerated:.0%} of the rows would be rejects, and with them each such delivery as"
            " a whole. Mend the export, or agree on another tolerance"
        )
    for code in SET_ASIDE:
        if count := trial.rejects[code]:
            notes.append(f"set aside: {_share(count, trial)}: {title(code).lower()}: {trial.reasons[code]}")
    if trial.untaken:
        shown = [f"{path} ({count})" for path, count in listed(trial.untaken)[:SHOWN_PATHS]]
        more = len(trial.untaken) - len(shown)
        notes.append(f"not taken, for no column has it: {', '.join(shown)}{f' and {more} more' if more else ''}")
    return notes


def _share(count: int, trial: SampleTrial) -> str:
    rows = trial.rows + trial.rejects.total()
    return f"{count} of {rows} rows ({count / rows:.0%})"
