"""Whether two ways of scoring the same rows say the same. It knows tables of answers, and not where they come from.

A table of answers has row bigint and the columns of `Deployed.schema`: label and score, or embedding; and error.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from inferlab.errors import Problem

TOLERANCE = 1e-5  # of a probability, between strategies on one engine in f32: other batch sizes add up in another order


def measure(found: pd.DataFrame, reference: pd.DataFrame) -> dict[str, Any]:
    """How far two tables agree.

    returns: rows; label_agreement: share of rows with the same label and the same error (embeddings: the same error);
        max_difference: the largest difference of two scores or of two values of an embedding
    """
    same = _same_outcome(found, reference)
    differences = _differences(found, reference)
    return {
        "rows": len(found),
        "label_agreement": float(same.mean()),
        "max_difference": float(differences.max(initial=0.0)),
    }


def require(pair: tuple[str, str], tables: dict[tuple[str, int], pd.DataFrame], paths: dict[int, Sequence[str]]) -> None:
    """Refuse to go on when two strategies on one engine disagree.

    pair: (engine, precision); only f32 is held to `TOLERANCE`, for lower precisions the agreement is published instead
    tables: {(strategy, rows): answers}; those of the same number of rows are compared
    paths: {rows: the path of each row}, to name the file that differs
    Raises `Problem` with the first row that differs.
    """
    first: dict[int, tuple[str, pd.DataFrame]] = {}
    for (strategy, rows), found in tables.items():
        if len(found) != rows or found["row"].duplicated().any():
            raise Problem(
                f"{strategy} on {pair[0]} answered {len(found)} of {rows} rows.",
                "Do not trust its time; look at the log for failed tasks.",
            )
        name, reference = first.setdefault(rows, (strategy, found))
        if pair[1] != "f32" or name == strategy:
            continue
        differs = ~_same_outcome(found, reference) | (_differences(found, reference) > TOLERANCE)
        if differs.any():
            row = int(np.flatnonzero(differs)[0])
            raise Problem(
                f"{strategy} and {name} on {pair[0]} {pair[1]} disagree in {differs.sum()} of {rows} rows, first in row {row}"
                f" ({os.path.basename(paths[rows][row])}): {_told(found, row)} against {_told(reference, row)}.",
                "A comparison of different answers means nothing; find out which one is wrong.",
            )


def _same_outcome(found: pd.DataFrame, reference: pd.DataFrame) -> np.ndarray:
    """(rows,) bool: the same label, where there are labels; or no answer on either side, for the same reason."""
    value = "score" if "score" in found else "embedding"
    same = found[value].isna() == reference[value].isna()
    for name in {"label", "error"} & set(found):
        same &= found[name].fillna("") == reference[name].fillna("")
    return same.to_numpy()


def _differences(found: pd.DataFrame, reference: pd.DataFrame) -> np.ndarray:
    """(rows,) float64: the largest difference in each row; 0 where neither has an answer."""
    if "score" in found:
        a, b = (table["score"].astype(float).to_numpy() for table in (found, reference))
        return np.nan_to_num(np.abs(a - b), nan=0.0)
    pairs = zip(found["embedding"], reference["embedding"], strict=True)
    return np.array([0.0 if a is None or b is None else np.abs(np.subtract(a, b)).max() for a, b in pairs])


def _told(table: pd.DataFrame, row: int) -> str:
    return ", ".join(f"{name} {value}" for name, value in table.iloc[row].items() if name not in ("row", "embedding"))
