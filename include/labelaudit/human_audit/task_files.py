"""The task files of a human audit: a spreadsheet (CSV), and an import of Label Studio; each task proves its identity.

Tasks are blind: they show neither the given nor the suggested label. Who sees a label first agrees with it too often
(anchoring), and the defect rate would come out too low.

`proof` is an HMAC-SHA256, under a secret of the customer's that stays in the store, over customer, dataset, release,
item and the content as shown. An answer counts only for the very content that was shown with it: rows shifted by one, a
column sorted on its own, ids given anew by a tool, or a content that was edited do not pass.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd

from labelaudit.contracts.model import Contract
from labelaudit.contracts.predictions import FromPixels
from labelaudit.detect.features import has_features
from labelaudit.rendering.charts import picture
from labelaudit.rendering.spreadsheet import safe_csv
from labelaudit.storage import layout
from labelaudit.storage.secret_keys import secret_key
from labelaudit.storage.store import Store
from labelaudit.values.value import Value

CANT_TELL = "can't tell"
COLUMNS = ("task", "release", "item", "content", "answer", "proof")
FILES = ("tasks.csv", "tasks.json", "labeling_config.xml")


class Task(Value):
    release: str
    item: str
    content: str
    """As shown: the text, a picture as a data URI, or features line by line; empty: a person looks the item up."""
    proof: str


def signer(contract: Contract, store: Store) -> Callable[[str, str, str], str]:
    """A function from release, item and content to the task's proof, 64 hex digits."""
    secret = secret_key(store, layout.human_audit_key(contract.customer))

    def prove(release: str, item: str, content: str) -> str:
        told = json.dumps([contract.customer, contract.dataset, release, item, content])  # unambiguous, and ASCII
        return hmac.new(secret, told.encode(), hashlib.sha256).hexdigest()

    return prove


def contents(contract: Contract, features: pd.DataFrame) -> list[str]:
    """What is shown of each row of the contract's feature columns (n rows)."""
    names = [name for name in contract.feature_columns if name in features]
    predictions = contract.predictions
    if isinstance(predictions, FromPixels) and names:
        there = has_features(contract, features).tolist()
        shown = zip(features[names[0]], there, strict=True)
        return [picture(pixels, predictions.shape, predictions.maximum) if has else "" for pixels, has in shown]
    if predictions.source == "text" and names:
        return [_text(value) for value in features[names[0]]]
    rows = features[names].to_dict("records")
    return ["\n".join(f"{name}: {_text(value)}" for name, value in row.items()) for row in rows]


def _text(value: Any) -> str:
    if isinstance(value, list | np.ndarray):
        return ", ".join(f"{float(number):g}" for number in value)
    return "" if value is None or value is pd.NA or value != value else str(value)


def write_tasks(contract: Contract, store: Store, folder: str, tasks: Sequence[Task]) -> None:
    """`tasks.csv`, `tasks.json` and `labeling_config.xml` below `folder`, in the order of the tasks."""
    rows = [(place, task.release, task.item, task.content, "", task.proof) for place, task in enumerate(tasks, 1)]
    store.write(folder + "tasks.csv", safe_csv(COLUMNS, rows))
    data = [{"data": task.model_dump()} for task in tasks]
    store.write(folder + "tasks.json", json.dumps(data, ensure_ascii=False, indent=1).encode())
    store.write(folder + "labeling_config.xml", labeling_config(contract).encode())


def read_tasks(store: Store, folder: str) -> dict[str, Task]:
    """The tasks as they were written, by item."""
    tasks = [Task.model_validate(entry["data"]) for entry in json.loads(store.read(folder + "tasks.json"))]
    return {task.item: task for task in tasks}


def labeling_config(contract: Contract) -> str:
    """The project's settings for Label Studio: the content, the item's id, and the classes as choices."""
    if isinstance(contract.predictions, FromPixels):
        shown = '<Image name="content" value="$content"/>'
    else:
        shown = '<Text name="content" value="$content" valueType="text"/>'
    choices = [*contract.classes, *([] if CANT_TELL in contract.classes else [CANT_TELL])]
    lines = "\n".join(f"    <Choice value={quoteattr(choice)}/>" for choice in choices)
    return (
        '<View>\n  <Header value="$item"/>\n  '
        + shown
        + '\n  <Choices name="answer" toName="content" choice="single" required="true">\n'
        + lines
        + "\n  </Choices>\n</View>\n"
    )
