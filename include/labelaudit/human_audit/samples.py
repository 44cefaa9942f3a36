"""The sample of a release that people audit, as the store keeps it, and the answers that came back.

Below `audits/<customer>/<dataset>/<release>/`: `plan.json`, `strata.parquet` (sizes), `annotations.parquet` (of the
sampled items), the task files, `sample.parquet` (written last: a sample exists once it is there) and
`answers/<number>.json`. They hold all that measuring needs; the run that they came from may have expired.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import ValidationError

from labelaudit.contracts.model import Contract
from labelaudit.errors import InternalError
from labelaudit.storage import layout
from labelaudit.storage.parquet import read_table, write_table
from labelaudit.storage.store import Store
from labelaudit.values.value import Value

SAMPLE_SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("task", pa.int64()),
        ("stratum", pa.int64()),
        ("label", pa.string()),
        ("given_label", pa.string()),
        ("lots", pa.list_(pa.string())),
    ]
)
"""One row an item in the random order of the tasks, from 0; stratum -1: of a lot only."""
ANNOTATIONS_SCHEMA = pa.schema([(name, pa.string()) for name in ("item", "vendor", "delivery", "annotator", "label")])
STRATA_SCHEMA = pa.schema(
    [
        ("of", pa.string()),
        ("subject", pa.string()),
        ("stratum", pa.int64()),
        ("items", pa.int64()),
        ("labels", pa.int64()),
    ]
)
"""Items and delivered labels of a subject by stratum. of: release, vendor, delivery, annotator; class by the items'
given label; `label`: delivered labels of a class, and the items that have some."""


class Lot(Value):
    """An accepted delivery of which a plan decides: `items` of it, the first `rows` in task order are audited."""

    delivery: str
    vendor: str
    items: int
    rows: int


class SamplePlan(Value):
    """What a sample was drawn for. The lists are by stratum of doubt; empty where only plans ask for a sample."""

    release: str
    digest: str
    items: int
    sizes: tuple[int, ...] = ()
    logits: tuple[float, ...] = ()
    rows: int = 0
    half_width: float | None = None
    random_rows: int = 0
    table: tuple[tuple[int, float], ...] = ()
    lots: tuple[Lot, ...] = ()
    deliveries: tuple[tuple[str, str], ...] = ()


class AnswerGiven(Value):
    item: str
    answer: str | None
    """A class; None: the person can't tell."""


class AnswersFile(Value):
    """What one person handed in at one time; never changed. A correction is a newer file."""

    by: str
    at: str
    source: str
    answers: tuple[AnswerGiven, ...]


@dataclass(frozen=True)
class Sample:
    """plan; `items` of SAMPLE_SCHEMA in task order; `annotations` and `strata` of their schemas."""

    plan: SamplePlan
    items: pd.DataFrame
    annotations: pd.DataFrame
    strata: pd.DataFrame

    @cached_property
    def place(self) -> dict[str, int]:
        return {item: place for place, item in enumerate(self.items["item"])}

    def sizes(self, of: str, subject: str) -> tuple[np.ndarray, np.ndarray]:
        """Items (H,) and delivered labels (H,) of a subject by stratum."""
        here = self.strata[(self.strata["of"] == of) & (self.strata["subject"] == subject)]
        items, labels = np.zeros(len(self.plan.sizes), np.int64), np.zeros(len(self.plan.sizes), np.int64)
        items[here["stratum"].to_numpy()], labels[here["stratum"].to_numpy()] = here["items"], here["labels"]
        return items, labels


def prefix(contract: Contract, release: str) -> str:
    return layout.human_audit(contract.customer, contract.dataset, release)


def sample_key(contract: Contract, release: str) -> str:
    return prefix(contract, release) + "sample.parquet"


def write_sample(contract: Contract, store: Store, sample: Sample) -> str:
    """Everything but the task files, `sample.parquet` last; gives its key."""
    folder = prefix(contract, sample.plan.release)
    store.write(folder + "plan.json", sample.plan.model_dump_json(indent=1).encode())
    for name, rows, schema in (
        ("strata", sample.strata, STRATA_SCHEMA),
        ("annotations", sample.annotations, ANNOTATIONS_SCHEMA),
        ("sample", sample.items, SAMPLE_SCHEMA),
    ):
        table = pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False)
        write_table(store, f"{folder}{name}.parquet", table.replace_schema_metadata(None))
    return folder + "sample.parquet"


def read_sample(contract: Contract, store: Store, release: str) -> Sample | None:
    """The release's sample; None where there is none."""
    folder = prefix(contract, release)
    if not layout.is_safe_part(release) or not store.exists(folder + "sample.parquet"):
        return None
    tables = {
        name: read_table(store, f"{folder}{name}.parquet").to_pandas() for name in ("sample", "annotations", "strata")
    }
    plan = SamplePlan.model_validate_json(store.read(folder + "plan.json"))
    return Sample(plan, tables["sample"], tables["annotations"], tables["strata"])


def answer_keys(contract: Contract, store: Store, release: str) -> list[str]:
    return store.list(prefix(contract, release) + "answers/")


def read_answers(contract: Contract, store: Store, release: str) -> dict[str, str | None]:
    """The answer that counts, the newest, by item: a class, or None where the person can't tell."""
    answers: dict[str, str | None] = {}
    for key in answer_keys(contract, store, release):
        try:
            handed_in = AnswersFile.model_validate_json(store.read(key))
        except ValidationError as error:
            raise InternalError(f"{store.uri_of(key)} is no file of answers of ours: {error}") from error
        answers |= {answer.item: answer.answer for answer in handed_in.answers}
    return answers
