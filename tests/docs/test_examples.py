"""The examples in docstrings are what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import labelaudit
import labelaudit_airflow

MODULES = [
    one.name
    for package in (labelaudit, labelaudit_airflow)
    for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not one.ispkg and not one.name.endswith("__main__")
]


@pytest.mark.parametrize("name", ["labelaudit", *MODULES])
def test_examples_hold(name: str):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0


def test_there_are_examples():
    attempted = sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES if "kernels" in name)
    assert attempted > 15
