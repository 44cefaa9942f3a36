"""What a user may meet is named in the pages: whoever adds one and does not document it fails here."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
from conftest import PROJECT

import labelaudit
from docs import generate
from labelaudit import errors
from labelaudit.cli.machine import examine
from labelaudit.contracts.delivery import Vendor
from labelaudit.contracts.quality import Acceptance, Event, Limits, Severity
from labelaudit.rejects.words import KNOWN
from labelaudit.run import steps
from labelaudit.storage import schemas
from labelaudit.values.verdicts import AcceptanceDecision, Explained, Outcome, WatchState
from tests.docs.pages import FENCED, PAGES, text_of

SOURCES = [*(PROJECT / "include").rglob("*.py"), *(PROJECT / "dags").glob("*.py"), *(PROJECT / "plugins").glob("*.py")]
SETTINGS = [*SOURCES, PROJECT / "docker-compose.yaml", PROJECT / ".env.example"]


def missing(page: str, names) -> list[str]:
    """Those that the page does not name between backticks."""
    said = set(re.findall(r"`([^`]+)`", FENCED.sub("", text_of(page))))
    return sorted(set(names) - said)


def values(model, field: str) -> tuple[str, ...]:
    return get_args(model.model_fields[field].annotation)


def test_every_environment_variable_is_explained():
    named = {name for path in SETTINGS for name in re.findall(r"LABELAUDIT_[A-Z_]*[A-Z]", path.read_text("utf-8"))}
    assert len(named) >= 7
    assert missing("operations", named) == []


def test_every_setting_of_compose_is_explained():
    named = re.findall(r"^([A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE)
    assert missing("operations", named) == []


def test_every_error_says_who_must_act():
    classes = [
        kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.LabelauditError)
    ]
    assert len(classes) >= 14
    assert missing("operations", [kind.__name__ for kind in classes]) == []


def test_every_alert_says_what_to_do():
    assert missing("operations", (*get_args(Event), *get_args(Severity))) == []


def test_every_clause_that_can_be_breached_says_what_to_do():
    clauses = [f"limits.{name}" for name in Limits.model_fields]
    clauses += [f"acceptance.{by}" for by in values(Acceptance, "by")]
    assert missing("operations", [*clauses, "regressions.effect"]) == []


def test_every_state_is_explained():
    assert missing("operations", values(Outcome, "status")) == []
    named = values(AcceptanceDecision, "outcome") + values(WatchState, "state") + values(Explained, "cause")
    assert missing("numbers", named) == []


def test_every_finding_of_the_doctor_says_what_to_do(folder_store):
    """As it finds them on this machine: the same lines everywhere."""
    found = [finding.about for finding in examine(folder_store.uri, PROJECT / "include" / "contracts")]
    named = [re.sub(r"^(store|contracts|destination|connection) .*", r"\1", about) for about in found]
    assert missing("operations", named) == []


def test_every_dag_has_its_runbook_in_the_page():
    folder = Path(generate.audit_dag.__file__).parent
    assert {path.stem for path in folder.glob("*_dag.py")} == {
        module.__name__.rpartition(".")[2] for module in generate.DAGS.values()
    }


def test_every_code_of_a_rejection_says_what_to_do():
    """Those that the code raises, wherever it does; `KNOWN` has words for those that a vendor reads."""
    raised = re.compile(r'(?:DeliveryRejected|Refusal|_refused)\(\s*(?:\w+,\s*)?(?:code=)?"([a-z_]+)"')
    codes = {code for path in SOURCES for code in raised.findall(path.read_text("utf-8"))}
    assert len(codes) > 15
    assert missing("deliveries", {*codes, *KNOWN}) == []


def test_every_format_is_in_the_table():
    assert missing("deliveries", values(Vendor, "format")) == []


def test_every_public_function_answers_a_question():
    table = generate.BLOCK.sub("", text_of("detectors"))
    functions = [name for name in labelaudit.__all__ if inspect.isfunction(getattr(labelaudit, name))]
    assert [name for name in functions if f"`{name}`" not in table] == []


@pytest.mark.parametrize("table", sorted(schemas.SCHEMAS))
def test_every_column_of_a_published_table_is_explained(table: str):
    part = text_of("reports").partition(f"| `{table}` | |")[2].partition("\n\n")[0]
    assert [name for name in schemas.SCHEMAS[table].names if f"`{name}`" not in part] == []


def test_every_spreadsheet_is_explained():
    """Whatever we write for people to open, on whichever page."""
    written = {name for path in SOURCES for name in re.findall(r'"([a-z_]+\.csv)"', path.read_text("utf-8"))}
    examples = {"labels.csv", "trial.csv"}
    assert {"issues.csv", "rejects.csv", "tasks.csv"} < written
    assert [name for name in written - examples if all(missing(page.stem, [name]) for page in PAGES)] == []


def test_the_steps_of_the_architecture_are_steps():
    block = re.search(r"^inbox/.*?```", text_of("architecture"), re.DOTALL | re.MULTILINE).group()
    verbs = re.findall(r"^ (\w+) +\(.*->", block, re.MULTILINE)
    assert len(verbs) == 6
    assert [verb for verb in verbs if not inspect.isfunction(getattr(steps, verb, None))] == []
