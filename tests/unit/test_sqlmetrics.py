"""Spark writes its numbers for people; here they are read back."""

import pytest

from inferlab import sqlmetrics


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("3,000", 3000),
        ("1,234,567", 1234567),
        ("24.4 KiB", 24.4 * 1024),
        ("0.0 B", 0),
        ("1.5 MiB", 1.5 * 2**20),
        ("2.0 GiB", 2**31),
        ("1.0 TiB", 2**40),
        ("17 ms", 0.017),
        ("1.5 s", 1.5),
        ("2.0 m", 120),
        ("2.0 min", 120),
        ("1.00 h", 3600),
        ("total (min, med, max (stageId: taskId))\n1.5 s (17 ms, 0.7 s, 0.8 s (stage 1.0: task 3))", 1.5),
        ("total (min, med, max (stageId: taskId))\n24.4 KiB (1.2 KiB, 1.3 KiB, 2.0 KiB (stage 3.0: task 9))", 24985.6),
        ("", 0),
        ("no number", 0),
    ],
)
def test_a_metric_is_read_with_its_unit(text, expected):
    assert sqlmetrics.number(text) == pytest.approx(expected)
