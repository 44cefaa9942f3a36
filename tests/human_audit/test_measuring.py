"""From answers to defect rates and acceptance, on deliveries whose wrong labels are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from typer.testing import CliRunner

from labelaudit.cli.app import app
from labelaudit.contracts.model import Contract
from labelaudit.human_audit import decisions, drawing, release_rates, samples
from labelaudit.human_audit.samples import AnswerGiven, AnswersFile
from labelaudit.storage import layout
from labelaudit.storage.store import Store
from labelaudit.values.releases import Audit
from labelaudit.values.verdicts import AcceptanceDecision, DefectRate
from tests.conftest import audit

pytestmark = pytest.mark.runs

SINGLE = {"by": "single", "producer": {"rate": 0.05, "risk": 0.1}, "consumer": {"rate": 0.3, "risk": 0.1}}
CENSUS = {"rows": 1000}


def truth(item: str) -> str:
    return "dog" if int(item[1:]) % 2 else "cat"


def other(label: str) -> str:
    return "cat" if label == "dog" else "dog"


def labelled(items: Iterable[int], people: str, wrong: dict[int, str]) -> str:
    """A CSV; `wrong` names the people who are wrong about an item."""
    lines = [
        f"i{n},{one},{other(truth(f'i{n}')) if one in wrong.get(n, '') else truth(f'i{n}')}"
        for n in items
        for one in people
    ]
    return "\n".join(["item,annotator,label", *lines, ""])


@pytest.fixture
def release(
    make_contract: Callable, folder_store: Store, put: Callable
) -> Callable[..., tuple[Contract, Store, Audit]]:
    """A sampled run: alder's twenty items by a, b, c, all wrong about item 0, a about item 1 too; birch's twenty by
    d, e, f, all wrong about 20, 21 and 22."""

    def make(alder=None, birch=None, **terms):
        contract = make_contract(vendors={"alder": {"format": "csv"}, "birch": {"format": "csv"}}, **terms)
        alder, birch = alder or {0: "abc", 1: "a"}, birch or {20: "def", 21: "def", 22: "def"}
        put(folder_store, contract, labelled(range(20), "abc", alder))
        put(folder_store, contract, labelled(range(20, 40), "def", birch), vendor="birch", delivery="d7")
        detected = audit(contract, folder_store).audit
        drawing.draw(contract, detected, folder_store)
        return contract, folder_store, detected

    return make


def answer(contract: Contract, store: Store, release: str, items: Iterable[str] | None = None, unclear=()) -> None:
    """The true answers of items of the sample, all by default."""
    folder = samples.prefix(contract, release)
    chosen = samples.read_sample(contract, store, release).items["item"] if items is None else items
    given = tuple(AnswerGiven(item=item, answer=None if item in unclear else truth(item)) for item in chosen)
    content = AnswersFile(by="pat", at="2026-11-25T12:00:00+00:00", source="x.csv", answers=given)
    number = len(samples.answer_keys(contract, store, release)) + 1
    store.write(f"{folder}answers/{number:06d}.json", content.model_dump_json().encode())


def by_subject(rates: Iterable[DefectRate], of: str) -> dict[str, tuple[float, int, int]]:
    return {rate.subject: (rate.defects, rate.audited, rate.items) for rate in rates if rate.of == of}


def test_without_answers_there_is_no_rate(release):
    contract, store, detected = release(human_audit=CENSUS)
    assert decisions.rates(contract, detected, store, ()) == ()


def test_items_are_counted_by_release_vendor_delivery_and_class(release):
    """Item 1, which one of three got wrong, is no defect of anybody's items; but it is a wrong label of one."""
    contract, store, detected = release(human_audit=CENSUS)
    answer(contract, store, detected.release)
    rates = decisions.rates(contract, detected, store, ())
    assert by_subject(rates, "release") == {"": (4, 40, 40)}
    assert by_subject(rates, "vendor") == {"alder": (1, 20, 20), "birch": (3, 20, 20)}
    assert by_subject(rates, "delivery") == {"alder/d1": (1, 20, 20), "birch/d7": (3, 20, 20)}
    assert by_subject(rates, "class") == {"cat": (1, 18, 18), "dog": (3, 22, 22)}
    people = {"a": 2, "b": 1, "c": 1, "d": 3, "e": 3, "f": 3}
    assert by_subject(rates, "annotator") == {annotator: (wrong, 20, 20) for annotator, wrong in people.items()}
    assert {rate.per for rate in rates if rate.of == "annotator"} == {"label"}
    whole = next(rate for rate in rates if rate.of == "release")
    assert (whole.value, whole.low, whole.high) == pytest.approx((0.1, 0.1, 0.1))  # everything was audited


def test_labels_are_counted_where_the_contract_says_per_label(release):
    contract, store, detected = release(human_audit=CENSUS | {"per": "label"})
    answer(contract, store, detected.release)
    rates = decisions.rates(contract, detected, store, ())
    assert by_subject(rates, "release") == {"": (13, 40, 40)}
    assert by_subject(rates, "vendor") == {"alder": (4, 20, 20), "birch": (9, 20, 20)}
    values = {rate.subject: rate.value for rate in rates if rate.of == "vendor"}
    assert values == pytest.approx({"alder": 4 / 60, "birch": 9 / 60})
    # given as cat: 18 items by all three, of which 21 is wrong; and item 1 by a alone
    assert by_subject(rates, "class")["cat"] == (4, 19, 19)


def test_a_vendor_answers_for_its_own_labels_of_a_shared_item(make_contract, folder_store, put):
    """birch labels alder's items again, all of them right: alder's wrong ones stay alder's."""
    contract = make_contract(vendors={"alder": {"format": "csv"}, "birch": {"format": "csv"}}, human_audit=CENSUS)
    put(folder_store, contract, labelled(range(12), "ab", {3: "ab", 4: "ab"}))
    put(folder_store, contract, labelled(range(12), "def", {}), vendor="birch")
    detected = audit(contract, folder_store).audit
    drawing.draw(contract, detected, folder_store)
    answer(contract, folder_store, detected.release)
    rates = decisions.rates(contract, detected, folder_store, ())
    assert by_subject(rates, "vendor") == {"alder": (2, 12, 12), "birch": (0, 12, 12)}


def test_answers_so_far_count_and_what_nobody_can_tell_is_counted_apart(release):
    contract, store, detected = release(human_audit=CENSUS)
    items = samples.read_sample(contract, store, detected.release).items["item"].tolist()
    answer(contract, store, detected.release, items[:30], unclear=items[:4])
    whole = decisions.rates(contract, detected, store, ())[0]
    assert (whole.of, whole.audited, whole.items) == ("release", 26, 40)
    assert whole.low < whole.value < whole.high
    progress = release_rates.progress(contract, store, detected.release)
    assert (progress.tasks, progress.answered, progress.cant_tell) == (40, 26, 4)


def test_few_audited_items_make_no_rate_of_a_subject(release):
    contract, store, detected = release(human_audit=CENSUS)
    answer(contract, store, detected.release, ["i0", "i1", "i2", "i3", *(f"i{n}" for n in range(20, 30))])
    assert list(by_subject(decisions.rates(contract, detected, store, ()), "vendor")) == ["birch"]


def test_a_pool_takes_the_last_releases_with_answers(release, put):
    contract, store, first = release(human_audit=CENSUS | {"pool_releases": 2})
    answer(contract, store, first.release)
    audits = [first]
    for number in (2, 3):  # the first of these gets no answers, so the pool passes it over
        items = range(20 * number, 20 * number + 20)
        put(store, contract, labelled(items, "abc", {20 * number: "abc"}), delivery=f"d{number}")
        audits.append(audit(contract, store, f"run{number}").audit)
        drawing.draw(contract, audits[-1], store)
    answer(contract, store, audits[2].release)
    names = [audit.release for audit in audits]
    pool = decisions.rates(contract, audits[2], store, names[:2])[-1]
    assert (pool.of, pool.releases) == ("pooled", (names[0], names[2]))
    assert (pool.defects, pool.audited, pool.items) == (5, 60, 60)
    assert pool.value == pytest.approx(5 / 60)


def decided(contract: Contract, found: Audit, store: Store) -> dict[str, AcceptanceDecision]:
    return {decision.delivery: decision for decision in decisions.acceptance(contract, found, store)}


def test_acceptance_by_interval_accepts_deducts_and_rejects(release):
    terms = {
        "by": "interval",
        "limit": 0.1,
        "deductions": [{"above": 0.01, "percent": 2}, {"above": 0.04, "percent": 5}],
    }
    contract, store, detected = release(human_audit=CENSUS, acceptance=terms)
    assert {decision.outcome for decision in decided(contract, detected, store).values()} == {"undecided"}
    answer(contract, store, detected.release)
    said = decided(contract, detected, store)
    assert (said["alder/d1"].outcome, said["alder/d1"].deduction_percent) == ("deduct", 5)
    assert "acceptance.deductions" in said["alder/d1"].reason
    assert (said["birch/d7"].outcome, said["birch/d7"].defects, said["birch/d7"].audited) == ("reject", 3, 20)
    assert said["birch/d7"].reason.startswith("acceptance.limit: 3 defects among 20 audited items, 15.00 %")


def test_acceptance_by_interval_is_undecided_where_the_limit_lies_within(release):
    contract, store, detected = release(human_audit=CENSUS, acceptance={"by": "interval", "limit": 0.1})
    items = samples.read_sample(contract, store, detected.release).items["item"]
    answer(contract, store, detected.release, items[:10])
    said = decided(contract, detected, store).values()
    assert {decision.outcome for decision in said} == {"undecided"}
    assert all("lies within the interval" in decision.reason for decision in said)


def test_a_single_plan_decides_by_the_lots_own_sample(release):
    everything = dict.fromkeys(range(20, 40), "def")
    contract, store, detected = release(alder={1: "a"}, birch=everything, acceptance=SINGLE)
    plan = drawing.lot_plan(contract.acceptance, 20)
    sample = samples.read_sample(contract, store, detected.release)
    assert [(lot.delivery, lot.items, lot.rows) for lot in sample.plan.lots] == [
        ("alder/d1", 20, plan.n),
        ("birch/d7", 20, plan.n),
    ]
    assert len(sample.items) == 2 * plan.n
    answer(contract, store, detected.release)
    said = decided(contract, detected, store)
    good, bad = said["alder/d1"], said["birch/d7"]
    assert (good.outcome, good.defects, good.audited, good.needed) == ("accept", 0, plan.n, plan.n)
    assert (bad.outcome, bad.defects) == ("reject", plan.n)
    assert bad.reason == (
        f"acceptance.consumer: {plan.n} defects among {plan.n} audited items, at most {plan.accept} among {plan.n}"
        " are accepted"
    )
    assert good.curve[0][:2] == (0, 1)
    rates = decisions.rates(contract, detected, store, ())
    assert by_subject(rates, "delivery") == {"alder/d1": (0, plan.n, 20), "birch/d7": (plan.n, plan.n, 20)}


def test_a_single_plan_does_not_decide_by_what_nobody_can_tell(release):
    contract, store, detected = release(alder={1: "a"}, acceptance=SINGLE)
    answer(contract, store, detected.release, unclear={f"i{n}" for n in range(20)})
    said = decided(contract, detected, store)["alder/d1"]
    assert (said.outcome, said.audited) == ("undecided", 0)
    assert f"{said.needed} more can't be told" in said.reason or f"{said.needed} can't be told" in said.reason


def test_a_sequential_plan_needs_answers_in_drawn_order(release):
    everything = dict.fromkeys(range(20, 40), "def")
    contract, store, detected = release(alder={1: "a"}, birch=everything, acceptance=SINGLE | {"by": "sequential"})
    items = samples.read_sample(contract, store, detected.release).items
    firsts = {items.loc[release_rates.in_lot(items, delivery), "item"].iloc[0] for delivery in ("alder/d1", "birch/d7")}
    answer(contract, store, detected.release, [item for item in items["item"] if item not in firsts])
    before = decided(contract, detected, store)
    assert {(decision.outcome, decision.audited) for decision in before.values()} == {("undecided", 0)}
    answer(contract, store, detected.release, firsts)
    after = decided(contract, detected, store)
    assert [after[delivery].outcome for delivery in ("alder/d1", "birch/d7")] == ["accept", "reject"]
    plan = drawing.lot_plan(contract.acceptance, 20)
    assert after["birch/d7"].audited == plan.decide_in_order([True] * plan.n).audited < plan.n
    assert "answers in drawn order the plan rejects at" in after["birch/d7"].reason


def test_a_sequential_plan_decides_where_what_nobody_can_tell_makes_no_difference(release):
    contract, store, detected = release(alder={1: "a"}, acceptance=SINGLE | {"by": "sequential"})
    items = samples.read_sample(contract, store, detected.release).items
    lot = items.loc[release_rates.in_lot(items, "alder/d1"), "item"].tolist()
    plan = drawing.lot_plan(contract.acceptance, 20)
    answer(contract, store, detected.release, unclear=lot[:1])
    walks = [plan.decide_in_order([first] + [False] * (len(lot) - 1)).outcome for first in (False, True)]
    wanted = "accept" if walks == ["accept", "accept"] else "undecided"
    assert decided(contract, detected, store)["alder/d1"].outcome == wanted
    answer(contract, store, detected.release, unclear=lot)
    assert decided(contract, detected, store)["alder/d1"].outcome == "undecided"


def test_an_item_of_both_parts_is_one_task_and_counts_in_both(release):
    contract, store, detected = release(human_audit={"rows": 15}, acceptance=SINGLE)
    sample = samples.read_sample(contract, store, detected.release)
    assert sample.items["item"].is_unique
    assert (sample.items["stratum"] >= 0).sum() == 15
    n = drawing.lot_plan(contract.acceptance, 20).n
    assert [release_rates.in_lot(sample.items, lot.delivery).sum() for lot in sample.plan.lots] == [n, n]
    answer(contract, store, detected.release)
    assert decisions.rates(contract, detected, store, ())[0].audited == 15


def test_measuring_needs_nothing_of_the_run(release):
    contract, store, detected = release(human_audit=CENSUS, acceptance=SINGLE)
    answer(contract, store, detected.release)
    before = decisions.rates(contract, detected, store, ()), decisions.acceptance(contract, detected, store)
    for key in store.list("runs/"):
        store.delete(key)
    assert (decisions.rates(contract, detected, store, ()), decisions.acceptance(contract, detected, store)) == before


def command_line(store: Store, contracts, *arguments: str):
    arguments = [*arguments, "--store", store.uri_of(""), "--contracts", str(contracts)]
    return CliRunner().invoke(app, arguments)


def test_a_plan_that_rejects_at_once_gives_the_vendor_a_report_and_exit_code_3(
    make_contract, folder_store, put, tmp_path
):
    """`on_reject: reject`: nobody is asked; the good delivery waits for the next run, and is published by it."""
    vendors = {"alder": {"format": "csv"}, "birch": {"format": "csv"}}
    contract = make_contract(vendors=vendors, acceptance=SINGLE | {"on_reject": "reject"})
    put(folder_store, contract, labelled(range(20), "abc", {1: "a"}))
    put(folder_store, contract, labelled(range(20, 40), "def", dict.fromkeys(range(20, 40), "def")), vendor="birch")
    run = ("run", contract.id)
    held = command_line(folder_store, tmp_path / "contracts", *run)
    assert held.exit_code == 2, held.output
    (release,) = folder_store.folders(layout.human_audits("acme", "pets"))
    answer(contract, folder_store, release)
    result = command_line(folder_store, tmp_path / "contracts", *run)
    assert result.exit_code == 3, result.output
    assert "acceptance.consumer" in result.output
    (prefix,) = {key.rsplit("/", 1)[0] + "/" for key in folder_store.list("rejections/")}
    assert prefix.startswith("rejections/acme/pets/birch/d1-")
    page = folder_store.read(prefix + "rejection.html").decode()
    assert "The human audit found too many wrong labels" in page
    assert "acceptance.consumer" in page
    last = command_line(folder_store, tmp_path / "contracts", *run)
    assert last.exit_code == 2, "another release, of alder alone, has a sample of its own"
    (other_release,) = set(folder_store.folders(layout.human_audits("acme", "pets"))) - {release}
    answer(contract, folder_store, other_release)
    assert command_line(folder_store, tmp_path / "contracts", *run).exit_code == 0


@pytest.mark.parametrize(("on_undecided", "status"), [("hold", "held"), ("accept", "published")])
def test_while_answers_are_missing_a_delivery_is_held_or_accepted_as_the_contract_says(
    make_contract, folder_store, put, on_undecided, status
):
    contract = make_contract(acceptance=SINGLE | {"on_undecided": on_undecided})
    put(folder_store, contract, labelled(range(20), "abc", {1: "a"}))
    outcome = audit(contract, folder_store)
    assert [decision.outcome for decision in outcome.verdict.acceptance] == ["undecided"]
    assert outcome.status == status
