"""A destination is its dataset's alone, whatever a contract says."""

from __future__ import annotations

import pytest
from conftest import GOOD, audit

from labelaudit.errors import ContractError
from labelaudit.run import steps
from labelaudit.storage import release_log


@pytest.mark.runs
def test_another_datasets_destination_is_neither_written_nor_read(make_contract, folder_store, put, tmp_path):
    """A copied contract published its rows into the other's tables, and showed its owner the other's reports."""
    place = {"uri": f"file://{tmp_path / 'customer'}"}
    acme = make_contract("acme/pets", destination=place)
    put(folder_store, acme, GOOD)
    audit(acme, folder_store)
    before = {
        key: (tmp_path / "customer" / key).read_bytes() for key in steps.open_destination(acme, folder_store).list("")
    }
    for name in ("zoo/pets", "acme/birds"):
        other = make_contract(name, destination=place)
        put(folder_store, other, GOOD)
        with pytest.raises(ContractError, match="holds the releases of another dataset") as caught:
            audit(other, folder_store)
        assert "acme/pets" not in str(caught.value)
    after = steps.open_destination(acme, folder_store)
    assert {key: (tmp_path / "customer" / key).read_bytes() for key in after.list("")} == before
    put(folder_store, acme, GOOD.replace("\ni", "\nj"), delivery="d2")
    assert audit(acme, folder_store).status == "published", "its own it stays"


@pytest.mark.parametrize(
    "place", ["", "/gold/acme", "/published/zoo/pets", "/x/../published/zoo/pets", "/..", "/linked"]
)
def test_no_destination_leads_into_our_store(make_contract, folder_store, tmp_path, place: str):
    """There lie other customers' deliveries, known labels and keys."""
    (tmp_path / "store").mkdir(exist_ok=True)
    (tmp_path / "store" / "linked").symlink_to(tmp_path / "store" / "keys")
    contract = make_contract(destination={"uri": folder_store.uri + place})
    with pytest.raises(ContractError, match="leads into the store of Labelaudit itself"):
        steps.open_destination(contract, folder_store)


def test_its_own_default_may_be_written_out(make_contract, store):
    contract = make_contract(destination={"uri": f"{store.uri}/published/acme/pets"})
    assert release_log.log(steps.open_destination(contract, store)) == []
