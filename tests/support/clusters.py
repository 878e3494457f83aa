"""A Ray cluster on this machine: a head that does nothing, and small nodes, each with a data folder."""

import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

TOKEN = "a" * 40
LOOPBACK = "127.0.0.2"
"""Ray takes 127.0.0.1 for a mistake, and puts the machine's address in its place."""

_STORE = 80 << 20
"""Bytes of shared memory a node: the least that Ray takes is 75 MB."""


@dataclass
class SmallCluster:
    """Nodes of one processor each. address: of the head."""

    ray: Any
    address: str
    data_dir: Path
    nodes: list[Any] = field(default_factory=list)

    def add(self, core: int | None = None) -> Any:
        """One more node; called on the main thread. core: the one that it may use; None: it may use all."""
        ours = os.sched_getaffinity(0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LIPSTREAM_DATA_DIR", str(self.data_dir))
            patch.setenv("OMP_NUM_THREADS", "1")
            if core is not None:
                os.sched_setaffinity(0, {core})  # which its processes inherit
            try:
                node = self.ray.add_node(num_cpus=1, node_ip_address=LOOPBACK, object_store_memory=_STORE)
            finally:
                os.sched_setaffinity(0, ours)
        self.nodes.append(node)
        return node

    def kill(self, node: Any) -> None:
        """As a power cut: its raylet and all of its workers, at once."""
        self.nodes.remove(node)
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        for process in [raylet, *raylet.children(recursive=True)]:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue


@contextmanager
def small_cluster(nodes: int, data_dir: Path) -> Iterator[SmallCluster]:
    """A cluster with so many nodes; all its processes and files are gone afterwards."""
    if importlib.util.find_spec("ray") is None:  # not loaded yet: it reads the environment when it is
        pytest.skip("Ray is not installed")
    place = tempfile.mkdtemp(prefix="lsray")  # short, as the names of Ray's sockets have 107 bytes at most
    (Path(place) / "ray").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "RAY_TMPDIR": place,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
            "RAY_USAGE_STATS_ENABLED": "0",
        }.items():
            patch.setenv(name, value)
        before = set(psutil.Process().children(recursive=True))
        from ray.cluster_utils import Cluster

        head: dict[str, Any] = {"num_cpus": 0, "node_ip_address": LOOPBACK, "object_store_memory": _STORE}
        cluster = Cluster()
        try:
            cluster.add_node(**head, include_dashboard=False)
            made = SmallCluster(cluster, cluster.address, data_dir)
            for _ in range(nodes):
                made.add()
            yield made
        finally:
            cluster.shutdown()
            for process in set(psutil.Process().children(recursive=True)) - before:
                if process.is_running():
                    os.kill(process.pid, signal.SIGKILL)
            shutil.rmtree(place, ignore_errors=True)
