import asyncio
import importlib.util

import pytest

from core.cluster.connect import NoCluster, check


def test_without_ray_the_command_that_gets_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NoCluster, match=r"pip install .*ray"):
        asyncio.run(check("127.0.0.1:6379"))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", f"{'a' * 64}.example", "127.0.0.256"])
def test_where_nobody_can_be_reached_that_is_told_at_once(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)  # no Ray is needed to see that
    with pytest.raises(NoCluster, match=r"cluster at .*:9: nobody answers there; .* this its address"):
        asyncio.run(check(f"{host}:9"))
