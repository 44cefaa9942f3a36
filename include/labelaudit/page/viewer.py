"""Who looks at the page. What they may do, Airflow says in `labelaudit_airflow`; what follows from it is decided here.

Whoever may read a dataset's DAG sees the dataset as its customer does: what was published, and how deliveries fared.
Whoever may also edit the DAG (and so answer for its releases) is one of us, and sees annotators' plain names, vendors'
rows, and alerts.
"""

from __future__ import annotations

from typing import Protocol


class Viewer(Protocol):
    def may_read(self, customer: str, dataset: str) -> bool:
        """Whether the dataset exists for this person; False for one that does not exist, unless they may read all."""

    def may_edit(self, customer: str, dataset: str) -> bool:
        """Whether they see what stays on our side."""

    def sees_upkeep(self) -> bool:
        """Whether they look after all contracts: they see every broken one."""
