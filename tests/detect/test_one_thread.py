"""A release's name must not depend on how many cores a machine has, or how busy they are."""

from __future__ import annotations

from conftest import audit
from threadpoolctl import threadpool_info, threadpool_limits

from labelaudit.detect import models


def test_models_are_trained_in_one_thread_whatever_the_process_was_given(make_contract, folder_store, put, monkeypatch):
    """On two busy cores, OpenBLAS gave the demo other releases than on two idle ones. The process has its threads back
    afterwards."""
    columns = {"item": {}, "label": {}, "text": {}}
    contract = make_contract(columns=columns, predictions={"source": "text", "column": "text"})
    words = {"cat": "meows and purrs", "dog": "barks loudly"}
    rows = [f"i{n},{label},number {n} {words[label]}" for n in range(40) for label in (("cat", "dog")[n % 2],)]
    put(folder_store, contract, "\n".join(["item,label,text", *rows]) + "\n")
    seen = []
    predict = models.predict

    def watched(*arguments):
        seen.append(blas_threads())
        return predict(*arguments)

    monkeypatch.setattr(models, "predict", watched)
    with threadpool_limits(limits=2, user_api="blas"):
        audit(contract, folder_store)
        assert set(blas_threads()) == {2}
    assert seen
    assert {number for numbers in seen for number in numbers} == {1}


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
