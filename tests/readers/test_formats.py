"""One table of formats: what is in it can be read, and what is missing in it is our error, never a vendor's."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from labelaudit import readers
from labelaudit.contracts.delivery import Vendor
from labelaudit.contracts.formats import CONTAINERS, FORMATS, Format
from labelaudit.errors import InternalError
from labelaudit.readers import exports, formats
from labelaudit.readers.terms import Terms
from tests.readers.valid_files import valid_files

READS = {"table": "read", "records": "labels", "document": "read"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "labels.json"
    path.write_text('[{"item": "a", "label": "cat"}]')
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_names_a_module_that_reads_it(name):
    """Whatever the table has can be read and, where it is nested, told from the others by its own module."""
    entry = FORMATS[name]
    module = import_module(f"labelaudit.readers.{entry.module}")
    assert callable(getattr(module, READS[entry.kind]))
    assert entry.about
    assert entry.kind == "table" or (callable(module.recognises) and set(entry.containers) <= set(FORMATS))


def test_the_table_is_whole():
    """No export lies beside it, no format is untried, and a contract takes exactly what it has."""
    modules = {f"exports.{path.stem}" for path in Path(exports.__file__).parent.glob("*.py") if path.stem[0] != "_"}
    assert modules == {entry.module for entry in FORMATS.values() if entry.kind != "table"}
    assert {name.partition(".")[0] for name in valid_files()} == set(FORMATS)
    assert get_args(Vendor.model_fields["format"].annotation) == tuple(FORMATS)
    assert CONTAINERS == ("jsonl", "json", "parquet", "arrow")


@pytest.mark.parametrize("terms", [Terms("f", "parchment"), Terms("f", "prodigy", container="tape")])
def test_a_format_that_is_in_no_table_is_our_error(file, terms):
    with pytest.raises(InternalError, match=r"no format '(parchment|tape)' in contracts/formats\.py"):
        list(readers.read(file, terms))


def test_a_format_without_its_module_is_our_error(file, monkeypatch):
    monkeypatch.setitem(FORMATS, "parchment", Format("parchment", "records", "exports.parchment", "", ("json",)))
    with pytest.raises(InternalError, match=r"no module labelaudit\.readers\.exports\.parchment"):
        list(readers.read(file, Terms("f", "parchment")))


def test_a_module_that_reads_nothing_is_our_error(file, monkeypatch):
    monkeypatch.setitem(FORMATS, "parchment", Format("parchment", "records", "tables.excel_cells", "", ("json",)))
    with pytest.raises(InternalError, match="has no `labels`"):
        formats.load(Terms("f", "parchment"))
    with pytest.raises(InternalError, match="could not be started"):  # so does the process, before it sees the file
        list(readers.read(file, Terms("f", "parchment")))
