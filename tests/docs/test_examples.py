"""The examples in docstrings are what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from typing import Any

import pytest

import labelaudit
import labelaudit_airflow

MODULES = [
    module.name
    for package in (labelaudit, labelaudit_airflow)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.ispkg and not module.name.endswith("__main__")
]


def marked(name: str) -> Any:
    """What is Airflow's, or asks it."""
    of_airflow = name.startswith("labelaudit_airflow")
    return pytest.param(name, marks=pytest.mark.airflow) if of_airflow else name


@pytest.mark.parametrize("name", ["labelaudit", *map(marked, MODULES)])
def test_examples_hold(name: str):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_there_are_examples():
    attempted = sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES if "kernels" in name)
    assert attempted > 15
