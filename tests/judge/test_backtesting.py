"""Rules of the back-test: changed terms judge each release by its counts, and those before it only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import GOOD, audit
from typer.testing import CliRunner

from labelaudit.cli.app import app
from labelaudit.cli.backtest import summary
from labelaudit.errors import ContractError, InvalidInput
from labelaudit.judge.backtesting import backtest, changed_contract, incidents, not_replayed
from labelaudit.values.counted import Judged
from labelaudit.values.releases import Count


def judged(at: int, x: float, n: float = 100) -> Judged:
    counts = tuple(Count(metric="issue", vendor=vendor, x=x, n=n) for vendor in ("", "alder"))
    return Judged(release=f"r{at + 1:04d}", sequence=at + 1, accepted=True, counts=counts)


HISTORY = [judged(at, 5) for at in range(30)] + [judged(at, 30) for at in range(30, 34)]
"""Thirty releases with 5 of 100 issues, then four with 30."""


def contract_at(tmp_path: Path) -> Path:
    return tmp_path / "contracts" / "acme" / "pets.yaml"


def test_a_limit_breaks_in_the_releases_above_it_and_holds_only_where_the_contract_says_so(make_contract):
    alert = backtest(make_contract(limits={"issue_rate": 0.2}, regressions=None), HISTORY)
    hold = backtest(make_contract(limits={"issue_rate": 0.2}, regressions=None, on_breach="hold"), HISTORY)
    assert [replayed.clauses for replayed in alert] == [()] * 30 + [("limits.issue_rate",)] * 4
    assert {replayed.action for replayed in alert} == {"publish"}
    assert [replayed.action for replayed in hold] == ["publish"] * 30 + ["hold"] * 4


def test_incidents_open_under_the_terms_that_are_asked_about(make_contract):
    before = backtest(make_contract(regressions=None), HISTORY)
    after = backtest(make_contract(on_breach="hold"), HISTORY)
    assert incidents(before) == ()
    (name,) = incidents(after)
    opened = [replayed.release for replayed in after if (name, "opened") in replayed.events]
    assert len(opened) == 1
    assert opened[0] in ("r0031", "r0032")
    assert "incidents 1 instead of 0" in summary(before, after)
    assert summary(after, before).startswith("0 of 34 releases would have been held instead of ")


def test_a_release_is_judged_with_what_was_known_before_it(make_contract):
    """Releases that come later change nothing of what a replay says of the earlier ones."""
    contract = make_contract(limits={"issue_rate_ratio": 2}, on_breach="hold")
    whole = backtest(contract, HISTORY)
    for length in (31, 33):
        assert [
            (replayed.action, replayed.clauses, replayed.events) for replayed in backtest(contract, HISTORY[:length])
        ] == [(replayed.action, replayed.clauses, replayed.events) for replayed in whole[:length]]


def test_what_counts_cannot_show_is_said(make_contract):
    plain = make_contract()
    measured = make_contract(limits={"agreement": 0.5, "defect_rate": 0.1}, seed=7)
    said = " ".join(not_replayed(plain, measured))
    for name in ("limits.agreement:", "limits.defect_rate:", "seed: is changed", "people's answers:"):
        assert name in said
    assert "annotator_quality" not in said


def test_changes_lie_over_the_contract_and_leave_its_other_terms(make_contract, tmp_path):
    make_contract(limits={"issue_rate": 0.2, "agreement": 0.1})
    changed = tmp_path / "changed.yaml"
    changed.write_text("limits:\n  issue_rate: 0.3\nregressions:\n  effect: 3\n")
    found = changed_contract(contract_at(tmp_path), changed, ["regressions.effect=1.5", "on_breach=hold"])
    assert (found.limits.issue_rate, found.limits.agreement, found.on_breach) == (0.3, 0.1, "hold")
    assert found.regressions.effect == 1.5, "--set comes last"
    assert changed_contract(contract_at(tmp_path), None, ["regressions=null"]).regressions is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("regressions.effekt=2", "--set regressions.effekt=2.*`regressions.effekt`.*nearest valid one is `effect`"),
        ("limits.issue_rate=7", "`limits.issue_rate`: must be at most 1, found 7"),
        ("customer=other", "`customer` is not a term"),
        ("limits=5", "`limits`"),
    ],
)
def test_a_wrong_term_names_the_setting_and_the_field(make_contract, tmp_path, setting, message):
    make_contract()
    with pytest.raises(ContractError, match=message):
        changed_contract(contract_at(tmp_path), None, [setting])


def test_a_wrong_file_is_named(make_contract, tmp_path):
    make_contract()
    changed = tmp_path / "changed.yaml"
    for text, message in (
        ("limits: [", "not YAML"),
        ("5", "not a mapping"),
        ("limits: {}\nlimits: {}", "given twice"),
        ("limits:\n  isue_rate: 1", "`limits.isue_rate`.*`issue_rate`"),
    ):
        changed.write_text(text)
        with pytest.raises(ContractError, match=f"changed.yaml.*{message}"):
            changed_contract(contract_at(tmp_path), changed, [])


@pytest.mark.parametrize("setting", ["on_breach", "=3", "limits..x=1", "on_breach=[", "x=!!python/name:os.system"])
def test_a_setting_that_is_none_says_how_to_write_it(make_contract, tmp_path, setting):
    make_contract()
    with pytest.raises(InvalidInput, match="--set"):
        changed_contract(contract_at(tmp_path), None, [setting])


def test_the_command_shows_both_replays_side_by_side(make_contract, put, folder_store, tmp_path):
    contract = make_contract()
    put(folder_store, contract, GOOD + "i99,ann,horse\n")
    assert audit(contract, folder_store).status == "published"
    arguments = ["backtest", "acme/pets", "--store", folder_store.uri_of("")]
    arguments += ["--contracts", str(tmp_path / "contracts")]
    arguments += ["--set", "limits.rejected_rows_rate=0", "--set", "on_breach=hold", "--set", "limits.agreement=0.9"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    said = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    (release,) = said["releases"]
    assert (release["as_it_is"]["action"], release["as_changed"]["action"]) == ("publish", "hold")
    assert release["as_changed"]["breaches"][0]["clause"] == "limits.rejected_rows_rate"
    assert said["summary"] in shown.output
    assert "not replayed: limits.agreement" in shown.output


def test_with_no_release_there_is_nothing_to_replay(make_contract, folder_store, tmp_path):
    make_contract()
    arguments = [
        "backtest",
        "acme/pets",
        "--store",
        folder_store.uri_of(""),
        "--contracts",
        str(tmp_path / "contracts"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, InvalidInput)
