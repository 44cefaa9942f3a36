"""What changed terms of a contract would have said of the releases that were judged: a replay of their counts.

Each release is judged by itself and those before it only, with the same functions as on its day. Whether a release may
teach the baseline is as it was: what a person would have answered is not known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from labelaudit.contracts import plain_yaml, reading
from labelaudit.contracts.model import Contract
from labelaudit.errors import ContractError, InvalidInput
from labelaudit.judge.incidents import reviews
from labelaudit.judge.judging import Evidence, judge_counts
from labelaudit.values.counted import Judged
from labelaudit.values.value import Value
from labelaudit.values.verdicts import Breach, Incident

REPLAYED = ("limits", "regressions", "on_breach")
"""The terms that counts alone can be judged by."""
LAID_OVER = (*REPLAYED, "tolerance", "retention", "history", "approval", "destination")
"""Terms that a change leaves as they are where it does not name them; others are replaced as a whole."""
MEASURED = ("defect_rate", "vendor_defect_rate", "agreement", "annotator_quality")
"""Limits of measurements whose intervals are not in the counts."""


class Replayed(Value):
    """One release, as a contract would have judged it. accepted: it was in fact published."""

    release: str
    sequence: int
    accepted: bool
    action: Literal["publish", "hold", "reject"]
    breaches: tuple[Breach, ...] = ()
    incidents: tuple[Incident, ...] = ()

    @property
    def clauses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(breach.clause for breach in self.breaches))

    @property
    def events(self) -> tuple[tuple[str, str], ...]:
        """(id, event) of the incidents that opened, escalated, closed or came back with this release."""
        return tuple((incident.id, incident.event) for incident in self.incidents if incident.event)


def backtest(contract: Contract, history: Sequence[Judged]) -> tuple[Replayed, ...]:
    """Judge every release of the history, oldest first, by its counts and those before it.

    What counts do not hold is not judged: see `not_replayed`. T releases of S streams are watched once: O(S T).
    """
    replayed = []
    for at, review in enumerate(reviews(contract.regressions, history)):
        own = history[at]
        verdict = judge_counts(contract, own, Evidence(history=history[:at]), review)
        replayed.append(
            Replayed(
                release=own.release,
                sequence=own.sequence,
                accepted=own.accepted,
                action=verdict.action,
                breaches=verdict.breaches,
                incidents=verdict.incidents,
            )
        )
    return tuple(replayed)


def incidents(replay: Sequence[Replayed]) -> tuple[str, ...]:
    """Ids of all incidents of a replay, in order of opening."""
    return tuple(dict.fromkeys(incident.id for release in replay for incident in release.incidents))


def not_replayed(contract: Contract, changed: Contract) -> tuple[str, ...]:
    """What of the two contracts the counts cannot show, one sentence each."""
    said = []
    for name in MEASURED:
        if any(getattr(version.limits, name) is not None for version in (contract, changed)):
            said.append(f"limits.{name}: its measurements and their intervals are not in the counts")
    if contract.acceptance or changed.acceptance:
        said.append("acceptance: decided by people's answers to each delivery's sample")
    for name in sorted(Contract.model_fields):
        if name not in REPLAYED and name != "acceptance" and getattr(contract, name) != getattr(changed, name):
            said.append(f"{name}: is changed, but what was delivered, found and counted stays as it was")
    said.append("people's answers: a release teaches the baseline if it was published, not if it would have been")
    return tuple(said)


def changed_contract(path: Path, file: Path | None, settings: Sequence[str]) -> Contract:
    """The contract at `path` with the terms of a YAML file, and `field.field=VALUE` settings (YAML values), laid over.

    A file may be a whole contract or some of its terms. Raises ContractError with every problem: which field, and what
    would be valid; InvalidInput for a setting that is none.
    """
    contract = reading.read_contract(path)
    terms = reading.read_terms(path, f"{contract.id}.yaml").value
    where = " ".join([*([file.name] if file else []), *(f"--set {setting}" for setting in settings)])
    if file is not None:
        terms = _laid_over(terms, _checked(reading.read_terms(file, file.name).value, file.name))
    for setting in settings:
        terms = _laid_over(terms, _setting(setting))
    document = plain_yaml.parse(plain_yaml.dump(terms), where)
    try:
        return reading.contract_of(contract.customer, contract.dataset, document, where)
    except ContractError as error:  # the lines are those of no file
        raise ContractError(where, [re.sub(r"^line \d+: ", "", problem) for problem in error.problems]) from error


def _setting(text: str) -> dict[str, Any]:
    """{"limits": {"issue_rate": 0.05}} of limits.issue_rate=0.05."""
    field, equals, value = text.partition("=")
    if not equals or not all(field.split(".")):
        raise InvalidInput(f"--set {text}: say FIELD=VALUE, e.g. --set regressions.effect=1.5")
    try:
        setting: Any = plain_yaml.parse(value, "the value").value
    except ContractError as error:
        raise InvalidInput(f"--set {text}: {error}") from error
    for name in reversed(field.split(".")):
        setting = {name: setting}
    return _checked(setting, f"--set {text}")


def _checked(terms: Any, where: str) -> dict[str, Any]:
    if not isinstance(terms, dict):
        raise ContractError(where, ["is not a mapping of fields of a contract"])
    for field in ("customer", "dataset"):
        if field in terms:
            raise ContractError(where, [f"`{field}` is not a term that can be changed; take it out"])
    return terms


def _laid_over(terms: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    made = dict(terms)
    for name, value in changes.items():
        is_part = name in LAID_OVER and isinstance(value, dict)
        made[name] = {**(made.get(name) or {}), **value} if is_part else value
    return made
