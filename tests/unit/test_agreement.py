"""Two ways agree when they say the same of every row, errors included."""

import numpy as np
import pandas as pd
import pytest

from inferlab import agreement
from inferlab.errors import Problem

PATHS = {rows: [f"/data/{name}.jpg" for name in "abcdef"[:rows]] for rows in (1, 2, 3, 6)}


def table(labels=("rose", "daisy", None), scores=(0.9, 0.6, None), errors=(None, None, "empty: 0 bytes")) -> pd.DataFrame:
    return pd.DataFrame({"row": range(len(labels)), "label": labels, "score": scores, "error": errors})


def vectors(*rows) -> pd.DataFrame:
    errors = [None if row is not None else "empty: 0 bytes" for row in rows]
    return pd.DataFrame({"row": range(len(rows)), "embedding": list(rows), "error": errors})


def refused(found: pd.DataFrame, reference: pd.DataFrame, pair=("openvino", "f32")) -> str:
    with pytest.raises(Problem) as caught:
        agreement.require(pair, {("loop", len(reference)): reference, ("udf", len(reference)): found}, PATHS)
    return str(caught.value)


def test_a_table_agrees_with_itself():
    assert agreement.measure(table(), table()) == {"rows": 3, "label_agreement": 1.0, "max_difference": 0.0}
    agreement.require(("openvino", "f32"), {("loop", 3): table(), ("udf", 3): table()}, PATHS)


def test_labels_and_scores_are_measured():
    found = agreement.measure(table(labels=("rose", "rose", None), scores=(0.8, 0.7, None)), table())
    assert found["label_agreement"] == pytest.approx(2 / 3)
    assert found["max_difference"] == pytest.approx(0.1)


def test_an_error_that_only_one_has_is_a_disagreement():
    lost = table(labels=("rose", None, None), scores=(0.9, None, None), errors=(None, "vanished", "empty: 0 bytes"))
    assert agreement.measure(lost, table())["label_agreement"] == pytest.approx(2 / 3)
    assert "disagree in 1 of 3 rows, first in row 1 (b.jpg)" in refused(lost, table())


def test_another_reason_for_the_same_row_is_a_disagreement():
    other = table(errors=(None, None, "vanished"))
    assert "first in row 2 (c.jpg)" in refused(other, table())
    assert agreement.measure(other, table())["label_agreement"] == pytest.approx(2 / 3)


def test_embeddings_are_compared_value_by_value():
    a, b = vectors(np.float32([1, 2]), None), vectors(np.float32([1, 2.5]), None)
    assert agreement.measure(a, b) == {"rows": 2, "label_agreement": 1.0, "max_difference": 0.5}
    assert "disagree in 1 of 2 rows, first in row 0 (a.jpg)" in refused(a, b)
    agreement.require(("openvino", "f32"), {("loop", 2): a, ("udf", 2): a.copy()}, PATHS)


def test_the_disagreement_names_both_ways_the_file_and_what_was_said():
    said = refused(table(labels=("tulip", "daisy", None)), table())
    assert "udf and loop on openvino f32 disagree in 1 of 3 rows, first in row 0 (a.jpg)" in said
    assert "label tulip" in said
    assert "label rose" in said


def test_the_last_digits_may_differ():
    near = table(scores=(0.9 + 0.9 * agreement.TOLERANCE, 0.6, None))
    agreement.require(("openvino", "f32"), {("loop", 3): table(), ("udf", 3): near}, PATHS)
    assert "disagree" in refused(table(scores=(0.9 + 1.5 * agreement.TOLERANCE, 0.6, None)), table())


def test_a_score_that_is_missing_on_one_side_is_a_disagreement():
    assert "disagree in 1 of 3 rows" in refused(table(scores=(0.9, None, None)), table())


def test_an_embedding_that_is_missing_on_one_side_is_a_disagreement():
    whole = vectors(np.float32([1, 2]), np.float32([3, 4]))
    lost = whole.assign(embedding=[whole["embedding"][0], None])
    assert "disagree in 1 of 2 rows" in refused(lost, whole)


def test_lower_precision_is_not_held_to_the_last_digit():
    agreement.require(("openvino", "bf16"), {("loop", 3): table(), ("udf", 3): table(scores=(0.8, 0.6, None))}, PATHS)


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_rows_that_are_lost_or_doubled_are_refused_in_every_precision(precision):
    doubled = table().assign(row=[0, 1, 1])
    for found, said in ((table().head(2), "udf on openvino answered 2 of 3 rows"), (doubled, "answered 3 of 3 rows")):
        assert said in refused(found, table(), ("openvino", precision))


def test_tables_of_other_sizes_are_not_compared():
    tables = {("loop", 3): table(), ("udf", 1): table(labels=("tulip",), scores=(0.1,), errors=(None,))}
    agreement.require(("openvino", "f32"), tables, PATHS)


def test_each_size_has_its_own_list_of_files():
    same = pd.concat([table()] * 2).assign(row=range(6)).reset_index(drop=True)
    other = same.assign(label=["rose", "daisy", None, "rose", "tulip", None])
    tables = {("loop", 3): table(), ("loop", 6): same, ("udf", 3): table(), ("udf", 6): other}
    with pytest.raises(Problem, match=r"disagree in 1 of 6 rows, first in row 4 \(e\.jpg\)"):
        agreement.require(("openvino", "f32"), tables, PATHS)
