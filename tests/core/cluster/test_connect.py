import asyncio
import importlib.util
import os
import time

import pytest

from core.cluster.connect import NoCluster, check
from tests.support.clusters import SmallCluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, None),
        ({"RAY_AUTH_TOKEN": "b" * 40}, "does not take our token"),
        ({"RAY_AUTH_TOKEN": ""}, "there is no token here"),
        ({"RAY_AUTH_MODE": "disabled"}, "does not take our token"),
        ({"RAY_AUTH_MODE": None}, None),
    ],
)
def test_a_wrong_or_missing_token_is_told_in_seconds(
    ray_cluster: SmallCluster,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str | None],
    told: str | None,
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name)
    before, began = os.times(), time.monotonic()
    if told is None:
        asyncio.run(check(ray_cluster.address))
    else:
        with pytest.raises(NoCluster, match=told):
            asyncio.run(check(ray_cluster.address))
    took, after = time.monotonic() - began, os.times()
    assert after.children_user - before.children_user < 5
    assert took < 15  # five seconds where nothing else runs beside; Ray alone takes twenty


def test_without_ray_the_command_that_gets_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NoCluster, match=r"pip install .*ray"):
        asyncio.run(check("127.0.0.1:6379"))


def test_where_nobody_is_that_is_told(ray_cluster: SmallCluster) -> None:
    host, _, _ = ray_cluster.address.partition(":")
    with pytest.raises(NoCluster, match="nobody answers"):
        asyncio.run(check(f"{host}:9"))
