"""How many replicas there are, what each takes, and which of them is asked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from viz.errors import ConfigError, LoupeError
from viz.service import backend
from viz.service.ray.deployment import Sizing, sizing_of
from viz.service.ray.gate import own_version
from viz.service.ray.replica_choice import MANY_QUESTIONS, ranked
from viz.service.ray.serve_line import require_ours


def test_one_replica_takes_one_core_and_a_gpu_where_there_is_one():
    assert sizing_of({}) == Sizing(1, 1, 1.0, 0.0)
    assert sizing_of({}, has_gpu=True) == Sizing(1, 1, 1.0, 1.0)


def test_the_environment_says_how_many_and_how_large():
    given = {"LOUPE_REPLICAS": "1-4", "LOUPE_REPLICA_CPUS": "2", "LOUPE_REPLICA_GPUS": "0.5"}
    assert sizing_of(given, has_gpu=True) == Sizing(1, 4, 2.0, 0.5)
    assert sizing_of({"LOUPE_REPLICAS": "3"}) == Sizing(3, 3, 1.0, 0.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOUPE_REPLICAS", "0"),
        ("LOUPE_REPLICAS", "many"),
        ("LOUPE_REPLICAS", "4-2"),
        ("LOUPE_REPLICAS", "1-"),
        ("LOUPE_REPLICA_GPUS", "-1"),
        ("LOUPE_REPLICA_CPUS", "nan"),
        ("LOUPE_REPLICA_CPUS", "two"),
    ],
)
def test_what_is_no_size_is_said_with_its_value(name, value):
    with pytest.raises(ConfigError, match=f"{name} is '{value}'"):
        sizing_of({name: value})


def test_a_backend_that_is_none_is_said_with_its_name(monkeypatch):
    monkeypatch.setenv(backend.VARIABLE, "kubernetes")
    with pytest.raises(ConfigError, match="LOUPE_BACKEND is 'kubernetes'"):
        backend.shared_workbench.__wrapped__()


def test_replicas_of_another_version_are_refused_with_both():
    require_ours(own_version())
    with pytest.raises(
        LoupeError, match=rf"run Attention Loupe 99\.0, and this is {own_version()}"
    ):
        require_ours("99.0")


def replica(name, *models):
    return SimpleNamespace(name=name, multiplexed_model_ids=set(models))


def names(ranks):
    return [[one.name for one in rank] for rank in ranks]


def test_a_replica_that_has_the_model_is_asked_first_unless_it_has_much_to_do():
    both = [replica("has it", "demo"), replica("has it not", "other")]
    asked = {"has it": 0, "has it not": 0}
    assert names(ranked(both, "demo", lambda one: asked[one.name])) == [["has it"], ["has it not"]]
    asked["has it"] = MANY_QUESTIONS
    assert names(ranked(both, "demo", lambda one: asked[one.name])) == [["has it not"], ["has it"]]
    assert names(ranked(both, "", lambda _one: 0)) == [["has it", "has it not"]]
