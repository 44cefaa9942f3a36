"""Reads back what an audit found; light, for those who only tell of it."""

from __future__ import annotations

from labelaudit.storage.store import Store
from labelaudit.values.findings import Findings
from labelaudit.values.releases import Audit


def read_findings(store: Store, audit: Audit) -> Findings:
    return Findings.model_validate_json(store.read(audit.findings))
