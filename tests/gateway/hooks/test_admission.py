"""Hooks reach the same decision as every door: who is linked, what is allowed, what is recorded."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import pytest

from kycgate.core.policy import Mode
from kycgate.gateway.gate import Gate
from tests.fakes import MemoryLog
from tests.gateway.hooks.conftest import FLEET, Hooks, fleet, gpu, run, task
from tests.gateway.world import PUBLIC_URL, World

CPU = gpu(None, 0)
SKY_H100 = "name: train\nresources:\n  accelerators: H100:8\n"


def test_a_verified_user_goes_ahead_and_the_decision_is_recorded(hooks: Hooks) -> None:
    alice = hooks.world.renter()
    hooks.link(alice)
    assert hooks.dstack(run()) is None
    (line,) = hooks.world.decisions()
    assert (line["granted"], line["action"], line["door"]) == (True, "admit", "hook/main")
    assert line["account"] == alice.account
    (job,) = hooks.world.store.jobs_of(alice.account)
    assert job.state == "answered"
    said = json.loads(job.request)
    assert (said["marketplace"], said["gpu_model"], said["gpu_count"], said["hours"]) == (
        "main", "H100", 8, 24,
    )  # fmt: skip


def test_the_user_no_name_and_nothing_of_the_spec_stands_in_the_log(hooks: Hooks) -> None:
    hooks.link(hooks.world.renter(), "ann.smith@corp.example")
    hooks.dstack(run(commands=["secret-command"]) | {"user": "ann.smith@corp.example"})
    hooks.dstack(run(commands=["secret-command"]) | {"user": "bob.jones@corp.example"})
    text = json.dumps(hooks.world.log.lines)
    assert "smith" not in text
    assert "jones" not in text
    assert "secret" not in text


def test_an_unverified_users_refusal_carries_a_link_that_says_what_was_asked(hooks: Hooks) -> None:
    hooks.link(hooks.world.stranger("bob"))
    error = hooks.dstack(run())
    assert error is not None
    assert "not verified" in error
    link = error.partition("Open ")[2].split(" ")[0]
    assert link.startswith(f"{PUBLIC_URL}/r/")
    refusal = hooks.world.store.refusal(link.rpartition("/")[2])
    assert refusal is not None
    assert refusal.asked == {"action": "rent", "gpu_model": "H100", "gpu_count": 8, "hours": 24}
    assert hooks.world.decisions()[0]["granted"] is False


def test_a_user_nobody_linked_is_refused_and_told_how(hooks: Hooks) -> None:
    hooks.world.renter()
    error = hooks.dstack(run())
    assert error is not None
    assert "not linked" in error
    refusal = hooks.world.store.refusal(error.partition("/r/")[2].split(" ")[0])
    assert refusal is not None
    assert refusal.codes == ("missing:linked_user",)
    assert refusal.asked["gpu_model"] == "H100"


def test_a_fleet_is_decided_too(hooks: Hooks) -> None:
    hooks.link(hooks.world.renter(level=1))
    error = hooks.dstack(fleet(), FLEET)
    assert error is not None
    assert "higher level" in error


def test_without_gpus_a_low_level_is_enough_and_a_stranger_still_is_not(hooks: Hooks) -> None:
    hooks.link(hooks.world.renter(level=1))
    assert hooks.dstack(run(resources=CPU)) is None
    assert hooks.dstack(run(resources=gpu(None, {"min": 0, "max": None}))) is not None
    assert hooks.dstack(run(resources=CPU) | {"user": "stranger"}) is not None


def test_volumes_pass_without_a_decision(hooks: Hooks) -> None:
    body = {"user": "anybody", "project": "main", "spec": {"configuration": {"type": "volume"}}}
    assert hooks.dstack(body, "/apply_policies/on_volume_apply") is None
    assert hooks.world.decisions() == []


def test_the_scheduler_address_is_not_taken_for_the_users(hooks: Hooks) -> None:
    class Everywhere:
        def where(self, address: str) -> Any:
            raise AssertionError("nobody's address is known here")

    hooks.world.parts = replace(hooks.world.parts, network=Everywhere())
    hooks.link(hooks.world.renter())
    assert hooks.dstack(run()) is None


def test_a_deep_question_is_refused_where_a_library_raised_the_recursion_limit(
    hooks: Hooks,
) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        deep = b'{"user":"a","project":"p","spec":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
        assert "nested too deep" in str(hooks.dstack(deep))
    finally:
        sys.setrecursionlimit(limit)


# -- plan and apply ------------------------------------------------------------------------------


def test_plan_and_apply_are_one_job(hooks: Hooks) -> None:
    alice = hooks.world.renter()
    hooks.link(alice)
    assert hooks.dstack(run()) is None
    hooks.world.pass_time(5)
    # What the server fills in between the two.
    assert hooks.dstack(run(priority=0, nodes=1)) is None
    assert len(hooks.world.store.jobs_of(alice.account)) == 1


def test_a_border_of_time_parts_no_pair(hooks: Hooks) -> None:
    alice = hooks.world.renter()
    hooks.link(alice)
    hooks.world.pass_time(599 - hooks.world.now % 600)
    hooks.dstack(run())
    hooks.world.pass_time(2)
    hooks.dstack(run())
    assert len(hooks.world.store.jobs_of(alice.account)) == 1


def test_the_same_work_later_is_another_job(hooks: Hooks) -> None:
    alice = hooks.world.renter()
    hooks.link(alice)
    hooks.dstack(run())
    hooks.world.pass_time(600)
    hooks.dstack(run())
    assert len(hooks.world.store.jobs_of(alice.account)) == 2


@pytest.mark.parametrize("other", [{"commands": ["other"]}, {"image": "x"}, {"nodes": 2}])
def test_other_work_for_the_same_gpus_is_another_job(hooks: Hooks, other: dict[str, Any]) -> None:
    alice = hooks.world.renter()
    hooks.link(alice)
    hooks.dstack(run())
    hooks.dstack(run(**other))
    assert len(hooks.world.store.jobs_of(alice.account)) == 2


def test_a_yes_at_plan_is_no_yes_at_apply_once_revoked(hooks: Hooks) -> None:
    alice = hooks.world.renter()
    hooks.link(alice)
    assert hooks.dstack(run()) is None
    hooks.world.store.revoke_account(alice.account, at=hooks.world.now, reason="test")
    hooks.world.pass_time(2)
    assert hooks.dstack(run()) is not None


def test_a_log_that_fails_refuses_and_leaves_the_work_free_to_be_asked_again(hooks: Hooks) -> None:
    hooks.link(hooks.world.renter())
    hooks.world.log.lose()
    error = hooks.dstack(run())
    assert error is not None
    assert "can't decide" in error
    hooks.world.log = MemoryLog()
    hooks.world.parts = replace(hooks.world.parts, log=hooks.world.log)
    assert hooks.dstack(run()) is None


def test_a_lost_database_refuses(hooks: Hooks) -> None:
    hooks.link(hooks.world.renter())
    hooks.world.memory.lose()
    error = hooks.dstack(run())
    assert error is not None
    assert "can't decide" in error


# -- links ---------------------------------------------------------------------------------------


def test_a_user_shows_a_code_and_rents_as_the_wallet(hooks: Hooks) -> None:
    alice = hooks.world.renter()
    code = hooks.code(alice)
    told = hooks.dstack(run() | {"spec": run()["spec"] | {"run_name": code}})
    assert told is not None
    assert "Linked" in told
    assert alice.wallet.address.hex() in told.lower()
    assert hooks.dstack(run()) is None
    assert hooks.world.log.lines[0][0] == "user_link"


def test_a_link_that_can_not_be_recorded_is_none(hooks: Hooks) -> None:
    alice = hooks.world.renter()
    code = hooks.code(alice)
    hooks.world.log.lose()
    told = hooks.dstack(run() | {"spec": run()["spec"] | {"run_name": code}})
    assert told is not None
    assert "Linked" not in told
    assert hooks.world.store.linked_user("main", "admin", now=hooks.world.now) is None


def test_the_run_that_shows_a_code_never_starts(hooks: Hooks) -> None:
    """Whatever its verdict: its name is a code, and stands in nobody's list of runs."""
    alice = hooks.world.renter()
    body = run() | {"spec": run()["spec"] | {"run_name": hooks.code(alice)}}
    assert hooks.dstack(body) is not None
    again = hooks.dstack(body)
    assert again is not None
    assert "not known, was used" in again
    assert hooks.world.store.jobs_of(alice.account) == []


def test_a_code_links_only_the_user_who_shows_it(hooks: Hooks) -> None:
    code = hooks.code(hooks.world.renter())
    hooks.dstack(run() | {"user": "ann", "spec": run()["spec"] | {"run_name": code}})
    assert hooks.dstack(run() | {"user": "mallory"}) is not None
    assert hooks.dstack(run() | {"user": "Ann"}) is not None
    assert hooks.dstack(run() | {"user": "ann"}) is None


def test_a_user_of_the_same_name_elsewhere_is_somebody_else(hooks: Hooks) -> None:
    hooks.link(hooks.world.renter(), "8f3a2b1c", scheduler="main")
    assert hooks.sky(task(SKY_H100)) is not None
    hooks.link(hooks.world.renter("carol"), "8f3a2b1c", scheduler="sky")
    assert hooks.sky(task(SKY_H100)) is None


def test_an_old_code_links_nobody(hooks: Hooks) -> None:
    code = hooks.code(hooks.world.renter())
    hooks.world.pass_time(900)
    told = hooks.dstack(run() | {"spec": run()["spec"] | {"run_name": code}})
    assert told is not None
    assert "get a new one" in told
    assert hooks.dstack(run()) is not None


def test_a_link_ends_after_thirty_days_and_when_its_account_ends_it(hooks: Hooks) -> None:
    alice = hooks.world.renter()
    link = hooks.link(alice)
    assert hooks.dstack(run()) is None
    assert hooks.world.store.end_user_link(alice.account, link.id, at=hooks.world.now)
    assert hooks.dstack(run()) is not None
    hooks.link(alice)
    hooks.world.pass_time(30 * 86_400)
    hooks.world.attest(alice)
    hooks.world.store.note_wallet_proof(alice.account, at=hooks.world.now)
    error = hooks.dstack(run())
    assert error is not None
    assert "not linked" in error


# -- observing -----------------------------------------------------------------------------------


def observe(world: World) -> None:
    world.policy = replace(world.policy, mode=Mode.OBSERVE)


def test_observing_lets_everybody_through_and_records_what_would_have_been(hooks: Hooks) -> None:
    observe(hooks.world)
    assert hooks.dstack(run()) is None
    hooks.link(hooks.world.renter(level=1))
    assert hooks.dstack(run()) is None
    assert [line["granted"] for line in hooks.world.decisions()] == [False, False]


# -- SkyPilot ------------------------------------------------------------------------------------


def test_a_sky_user_is_refused_then_verified_and_goes_ahead(hooks: Hooks) -> None:
    bob = hooks.world.stranger("bob")
    hooks.link(bob, "8f3a2b1c", scheduler="sky")
    error = hooks.sky(task(SKY_H100))
    assert error is not None
    assert f"{PUBLIC_URL}/r/" in error
    hooks.world.attest(bob)
    assert hooks.sky(task(SKY_H100)) is None
    # SkyPilot asks for validation, optimisation and launch in turn: one piece of work.
    assert hooks.sky(task(SKY_H100)) is None
    assert len(hooks.world.store.jobs_of(bob.account)) == 1


def test_a_sky_user_shows_a_code_as_a_tasks_name(hooks: Hooks) -> None:
    alice = hooks.world.renter()
    told = hooks.sky(task(f"name: {hooks.code(alice)}\nrun: 'true'\n"))
    assert told is not None
    assert "Linked" in told
    assert hooks.sky(task(SKY_H100)) is None


def test_a_policy_the_user_could_remove_is_refused(hooks: Hooks) -> None:
    hooks.link(hooks.world.renter(), "8f3a2b1c", scheduler="sky")
    error = hooks.sky(task(SKY_H100, at_client_side=True))
    assert error is not None
    assert "client" in error


def test_the_marketplace_has_no_route_of_this_kind(hooks: Hooks) -> None:
    """`admit` records no deployment: a marketplace route of that kind would be a hole."""
    alice = hooks.world.renter()
    reply = hooks.world.send(alice.asks("POST", "/admit/run", {"user": "x"}))
    assert reply.status == 403
    assert isinstance(hooks.world.gate, Gate)
    assert hooks.world.upstream.received == []
