import asyncio
import importlib.util

import pytest

from core.cluster.connect import NoCluster, check


def test_without_ray_the_command_that_gets_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NoCluster, match=r"pip install .*ray"):
        asyncio.run(check("127.0.0.1:6379"))
