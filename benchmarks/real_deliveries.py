"""Real labels, delivered as vendors would and run through the DAGs; scored against the truth.

    python -m benchmarks.real_deliveries [--s3]

CIFAR-10N: 150,000 labels in three files by three vendors, predictions in a file of each. Product-match: 24,945 labels
of 176 annotators, no predictions. With --s3 the store and the destinations are buckets of a moto server, which is a
process of its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks import public_data
from benchmarks.s3_server import s3_server
from labelaudit_airflow import local

FLOORS = {"cifar10n": 0.964, "product-match": 0.937}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--s3", action="store_true", help="through s3:// on a moto server")
    if arguments.parse_args().s3:
        with s3_server("labelaudit-inbox", "customer-cifar10n", "customer-product-match") as environment:
            theirs = {"conn_type": "aws", "extra": {"labelaudit_customers": ["public"]}}  # keys: boto3's own
            named = {"LABELAUDIT_STORE": "s3://labelaudit-inbox/store", "AIRFLOW_CONN_PUBLIC_S3": json.dumps(theirs)}
            run(environment | named, s3=True)
    else:
        run({}, s3=False)


def run(environment: dict[str, str], s3: bool) -> dict[str, float]:
    """Deliver, run the DAGs, score; gives the accuracies."""
    home = Path(tempfile.mkdtemp(prefix="labelaudit-real-"))
    try:
        write_contracts(home / "contracts", s3)
        local.enter(home, LABELAUDIT_CONTRACTS=str(home / "contracts"), **environment)
        return _run(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def write_contracts(folder: Path, s3: bool) -> None:
    """Contracts of the two datasets, as a person would write them."""
    cifar = public_data.delivered("cifar10n")
    classes = [name for name in cifar.predictions.columns if name != "item_id"]
    names = {"item": "item_id", "annotator": "annotator_id"}
    zipped = {"format": "csv", "compression": "gzip", "columns": names}
    contracts = {
        "cifar10n": {
            "classes": classes,
            "vendors": {f"pass{number}": zipped for number in (1, 2, 3)},
            "predictions": {"source": "delivered", "file": "pred_probs.csv.gz"},
        },
        "product-match": {
            "classes": ["different", "same"],
            "vendors": {"crowd": {"format": "csv", "columns": names}},
            "predictions": {"source": "none"},
        },
    }
    for dataset, contract in contracts.items():
        contract |= {"task": "classification", "columns": {"item": {}, "annotator": {}, "label": {}}, "schedule": None}
        if s3:
            contract["destination"] = {"uri": f"s3://customer-{dataset}/audited", "connection": "public_s3"}
        path = folder / "public" / f"{dataset}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(contract))


def write_deliveries(dataset: str, folder: Path) -> dict[str, list[Path]]:
    """Files by vendor: CIFAR-10N's labels split by annotator into three vendors' deliveries."""
    delivered = public_data.delivered(dataset)
    if delivered.predictions is None:
        return {"crowd": list(delivered.files)}
    made = {}
    people = sorted(delivered.labels["annotator_id"].unique())
    for number, person in enumerate(people, 1):
        target = folder / f"pass{number}"
        target.mkdir(parents=True)
        part = delivered.labels[delivered.labels["annotator_id"] == person]
        with gzip.open(target / "labels.csv.gz", "wt", compresslevel=1) as file:
            part.to_csv(file, index=False)
        made[f"pass{number}"] = [
            target / "labels.csv.gz",
            shutil.copy(delivered.files[1], target / "pred_probs.csv.gz"),
        ]
    return made


def _run(home: Path) -> dict[str, float]:
    from labelaudit.judge.judging import read_counts
    from labelaudit.receive import delivering
    from labelaudit.storage import layout, tables
    from labelaudit_airflow import demo_run, runtime

    with demo_run.quiet(home / "airflow.log"):
        demo_run.prepare_database()
        dags = demo_run.load_dags()
    scores = {}
    for dataset, floor in FLOORS.items():
        store = runtime.store()
        for vendor, files in write_deliveries(dataset, home / dataset).items():
            delivering.deliver(store, "public", dataset, vendor, "all", files)
        started = time.perf_counter()
        with demo_run.quiet(home / "airflow.log"):
            state = demo_run.run(dags[f"audit__public__{dataset}"])
        seconds = time.perf_counter() - started
        contract = next(contract for contract in _contracts() if contract.dataset == dataset)
        destination = runtime.destination(contract)
        rows = tables.read_table(destination, layout.LABELS).to_pandas().set_index("item")
        truth = public_data.delivered(dataset).truth
        scores[dataset] = float((rows["label"].reindex(truth.index) == truth).mean())
        whole = {count.metric: count for count in read_counts(destination)[rows["release"].iloc[0]] if not count.vendor}
        delivered = len(public_data.delivered(dataset).labels)
        accounted = len(tables.read_table(destination, layout.ANNOTATIONS)) + whole["reject"].x
        print(
            f"{dataset:14} {state:8} consensus accuracy {scores[dataset]:.4f} (floor {floor}); {delivered} rows"
            f" delivered, {accounted:.0f} accounted for; {seconds:.1f} s at {destination.uri}",
            flush=True,
        )
        assert state == "success"
        assert delivered == accounted == whole["reject"].n
        assert scores[dataset] >= floor
    return scores


def _contracts() -> list:
    from labelaudit.contracts.reading import read_contracts
    from labelaudit_airflow import runtime

    return read_contracts(runtime.contracts_folder())[0]


if __name__ == "__main__":
    main()
