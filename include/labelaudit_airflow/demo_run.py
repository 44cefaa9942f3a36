"""`make run`: two weeks of demo deliveries through the real DAGs, day by day, and the story of what came of them.

Run again, it finds everything delivered and published already, and publishes nothing twice.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from labelaudit_airflow import local


def main(home: Path, days: int) -> None:
    console = Console(file=os.fdopen(os.dup(sys.stdout.fileno()), "w"))
    local.enter(home)
    started = time.monotonic()
    log = home / "airflow.log"
    with quiet(log):
        prepare_database()
        dags = load_dags()
    runs, new = _run_days(dags, days, log, console)
    failed = [run for run in runs if run[1] != "success"]
    console.print(f"{len(runs)} runs in {time.monotonic() - started:.0f} s. Airflow's log: {log}")
    if not new:
        console.print("Everything was delivered and published already: nothing was published twice.")
    _tell(console, home)
    if failed:
        console.print(f"[red]failed runs: {failed}[/red]")
        raise SystemExit(1)


def _run_days(dags: dict, days: int, log: Path, console: Console) -> tuple[list[tuple[str, str]], bool]:
    """(DAG, state) of every run, and whether anything was new; if not, every DAG runs once all the same."""
    runs = []
    columns = (TextColumn("{task.description:44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("delivering", total=days * len(dags))
        for day in range(1, days + 1):
            for dag_id in sorted(dags) if _deliver(day) else ():
                bars.update(task, description=f"day {day:2}: {dag_id}")
                with quiet(log):
                    runs.append((dag_id, run(dags[dag_id])))
                bars.advance(task)
        new = bool(runs)
        if not new:
            bars.update(task, total=len(dags))
            for dag_id in sorted(dags):
                bars.update(task, description=f"nothing new: {dag_id}")
                with quiet(log):
                    runs.append((dag_id, run(dags[dag_id])))
                bars.advance(task)
    return runs, new


def prepare_database() -> None:
    """Create Airflow's database, or bring it up to date."""
    from airflow.utils.db import check_migrations, initdb, upgradedb

    try:
        check_migrations(0)
    except TimeoutError:
        (upgradedb if Path(os.environ["AIRFLOW_HOME"], "airflow.db").exists() else initdb)()


def load_dags() -> dict:
    """The DAGs of the demo contracts, as Airflow itself would load them."""
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = local.PROJECT / "dags"
    bag = BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder")
    if bag.import_errors:
        raise SystemExit(f"a DAG file can't be imported: {bag.import_errors}")
    for dag in bag.dags.values():
        for task in dag.tasks:
            task.retries = 0  # dag.test() would wait out every retry's delay in this process
    return {dag_id: dag for dag_id, dag in bag.dags.items() if dag_id.startswith("audit__")}


def _deliver(day: int) -> bool:
    """Deliver what belongs to a day; whether any of it was new."""
    from labelaudit import demo
    from labelaudit_airflow import runtime

    return demo.deliver_day(runtime.store(), day) > 0


def run(dag) -> str:
    """Run a DAG as `airflow dags test` does, in this process; gives the run's state."""
    return str(dag.test().state.value)


def _tell(console: Console, home: Path) -> None:
    """The story of every dataset, and where to look."""
    from labelaudit.contracts.reading import read_contracts
    from labelaudit_airflow import demo_story, runtime

    contracts, store = read_contracts(runtime.contracts_folder())[0], runtime.store()
    for contract in contracts:
        console.print()
        demo_story.tell(contract, store, runtime.destination(contract), console)
    if contracts:
        demo_story.where_to_look(console, str(home), store.uri, contracts[-1])


@contextmanager
def quiet(log: Path):
    """Send what Airflow prints, and its children, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in (*kept, target):
            os.close(descriptor)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 14)
