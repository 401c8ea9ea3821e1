"""Which part of a GPU a task takes, as the environment says it. Cores, and real masters: tests/spark/test_shared_cluster.py."""

import pytest

from inferlab import shares
from inferlab.errors import Problem


@pytest.mark.parametrize(("share", "tasks"), [("1", 1), ("0.5", 2), ("0.25", 4), ("0.3", 3)])
def test_as_many_tasks_share_a_gpu_as_fit_into_it(monkeypatch, share, tasks):
    monkeypatch.setenv(shares.GPU_SHARE, share)
    assert shares.tasks_a_gpu() == tasks


@pytest.mark.parametrize("share", ["0", "2", "-1", "half", "nan"])
def test_a_share_that_cannot_be_is_refused(monkeypatch, share):
    monkeypatch.setenv(shares.GPU_SHARE, share)
    with pytest.raises(Problem, match=f"LAB_GPU_SHARE is '{share}'"):
        shares.tasks_a_gpu()
