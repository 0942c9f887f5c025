"""How many replicas there are, what each takes, and which of them is asked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from viz.errors import ConfigError, LoupeError
from viz.service import backend
from viz.service.ray.deployment import (
    Sizing,
    application_of,
    own_version,
    require_room,
    sizing_of,
)
from viz.service.ray.replica_choice import MANY_QUESTIONS, ranked
from viz.service.ray.serve_connection import require_ours


def test_one_replica_takes_one_core_and_a_gpu_where_there_is_one():
    assert sizing_of({}) == Sizing(1, 1, 1.0, None)
    assert sizing_of({"LOUPE_REPLICAS": "2"}).gpus is None  # as many as the cluster has for it


def test_the_environment_says_how_many_and_how_large():
    given = {"LOUPE_REPLICAS": "1-4", "LOUPE_REPLICA_CPUS": "2", "LOUPE_REPLICA_GPUS": "0.5"}
    assert sizing_of(given) == Sizing(1, 4, 2.0, 0.5)
    assert sizing_of({"LOUPE_REPLICAS": "3"}) == Sizing(3, 3, 1.0, None)


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
    own = SimpleNamespace(unique_id=name)
    return SimpleNamespace(name=name, replica_id=own, multiplexed_model_ids=set(models))


def names(ranks):
    return [[one.name for one in rank] for rank in ranks]


def test_a_replica_that_has_the_model_is_asked_first_unless_it_has_much_to_do():
    both, asked = [replica("has it", "demo"), replica("has it not", "other")], {"has it": 0}

    def ranks(preferred="", model="demo"):
        return names(ranked(both, preferred, model, lambda one: asked.get(one.name, 0)))

    assert ranks() == [["has it"], ["has it not"]]
    assert ranks(preferred="has it not") == [["has it not"], ["has it"]]
    assert ranks(preferred="ended") == [["has it"], ["has it not"]]
    assert ranks(model="") == [["has it", "has it not"]]
    asked["has it"] = MANY_QUESTIONS
    assert ranks() == [["has it not"], ["has it"]]
    assert ranks(preferred="has it") == [["has it not"], ["has it"]]


@pytest.mark.parametrize(("given", "gpus"), [("", 1.0), ("0.5", 0.5)])
def test_a_deployment_takes_the_gpus_that_there_are_or_that_are_said(given, gpus):
    deployment = application_of(sizing_of({"LOUPE_REPLICA_GPUS": given}), has_gpu=True)
    options = deployment._bound_deployment.ray_actor_options
    assert options["num_gpus"] == gpus
    assert options["num_cpus"] == 1.0


def test_replicas_that_no_machine_has_room_for_are_refused_at_once():
    machines = [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}]
    require_room(Sizing(1, 9, 4.0, 1.0), machines)
    require_room(Sizing(1, 1, 1.0, None), [{"CPU": 1.0}])
    with pytest.raises(
        ConfigError, match=r"LOUPE_REPLICA_GPUS is 2, and no machine .* than 1 GPUs"
    ):
        require_room(Sizing(1, 1, 1.0, 2.0), machines)
    with pytest.raises(ConfigError, match=r"LOUPE_REPLICA_CPUS is 99, .* Set 4 or less"):
        require_room(Sizing(1, 1, 99.0, 0.0), machines)
