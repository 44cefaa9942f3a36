"""What never ends is ended, says so, and holds up nothing else."""

from __future__ import annotations

import json
import signal
import threading
import time

import pytest
from conftest import GOOD

from labelaudit.errors import InvalidInput, StepTimedOut
from labelaudit.run import steps, time_limits
from labelaudit.run.time_limits import limited
from labelaudit.run.whole_run import whole_run


def test_a_step_that_never_ends_is_ended_and_says_where():
    def forever():
        with limited("stage alder/d1", 0.05):
            while True:
                pass

    with pytest.raises(StepTimedOut, match=r"`stage alder/d1` took longer than .* minutes, .*test_time_limits.py"):
        forever()


def test_a_step_in_time_leaves_timer_and_handler_as_they_were():
    """pytest's own limit, and Airflow's, are timers of the same kind."""
    handler, before = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0]
    with limited("find", 60), limited("within", 30):
        pass
    after = signal.getitimer(signal.ITIMER_REAL)[0]
    assert signal.getsignal(signal.SIGALRM) is handler
    assert (after > 0) == (before > 0)
    assert after <= before


def test_a_thread_is_left_alone():
    """Signals are the main thread's."""
    ended = []

    def work():
        with limited("find", 0.01):
            time.sleep(0.05)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "1e300"])
def test_a_limit_that_is_none_is_said(text: str):
    with pytest.raises(InvalidInput, match="LABELAUDIT_STEP_MINUTES"):
        time_limits.minutes(text)


def two_deliveries(make_contract, store, put, slow: str):
    contract = make_contract()
    put(store, contract, GOOD)
    put(store, contract, GOOD.replace("\ni", "\nj"), delivery=slow)
    return contract


@pytest.mark.runs
def test_a_delivery_that_takes_too_long_waits_on_and_the_others_are_published(
    make_contract, folder_store, put, monkeypatch
):
    contract = two_deliveries(make_contract, folder_store, put, "slow")
    stage = steps.stage

    def hanging(contract, delivery, *arguments):
        while delivery.id == "slow":
            pass
        return stage(contract, delivery, *arguments)

    monkeypatch.setattr(steps, "stage", hanging)
    destination = steps.open_destination(contract, folder_store)

    def watch(step: str):
        return limited(step, 0.05 if step == "stage alder/slow" else 280)

    outcome = whole_run(contract, folder_store, destination, "run", watch=watch)
    assert (outcome.status, outcome.release.items) == ("published", 12)
    (failed,) = outcome.failed
    assert (failed.delivery, failed.error[:12]) == ("alder/slow", "StepTimedOut")
    waiting = steps.find(contract, folder_store, destination, "next").deliveries
    assert [delivery.name for delivery in waiting] == ["alder/slow"]


@pytest.mark.runs
def test_a_delivery_whose_folder_goes_away_stops_no_other(make_contract, folder_store, put, monkeypatch):
    contract = two_deliveries(make_contract, folder_store, put, "gone")
    stage = steps.stage

    def moved(contract, delivery, *arguments):
        if delivery.id == "gone":
            raise FileNotFoundError(2, "No such file or directory")
        return stage(contract, delivery, *arguments)

    monkeypatch.setattr(steps, "stage", moved)
    destination = steps.open_destination(contract, folder_store)
    outcome = whole_run(contract, folder_store, destination, "run")
    assert (outcome.status, [failure.delivery for failure in outcome.failed]) == ("published", ["alder/gone"])


def test_the_command_says_which_step_took_too_long(make_contract, folder_store, put, tmp_path, monkeypatch, capsys):
    from labelaudit.cli import app

    contract = make_contract()
    put(folder_store, contract, GOOD)
    monkeypatch.setenv("LABELAUDIT_STEP_MINUTES", "0.001")
    monkeypatch.setattr(steps, "find", lambda *arguments: time.sleep(250))
    arguments = ["labelaudit", "run", contract.id, "--json", "--store", folder_store.uri]
    monkeypatch.setattr("sys.argv", [*arguments, "--contracts", str(tmp_path / "contracts")])
    with pytest.raises(SystemExit) as ended:
        app.main()
    said = json.loads(capsys.readouterr().out)
    assert (ended.value.code, said["error"]) == (1, "StepTimedOut")
    assert "`find` took longer than 0.001 minutes" in said["message"]
