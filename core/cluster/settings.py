"""The settings of a cluster. No Ray is needed to read them."""

from pydantic import Field, field_validator

from core.config import Settings

LOCAL = "local"


class ClusterSettings(Settings):
    """`LIPSTREAM_CLUSTER=10.0.0.1:6379` sets `cluster`, and so on."""

    cluster: str = LOCAL
    """Where videos are made: local is this process; host:port a Ray cluster that this machine has joined, see
    docs/cluster.md."""

    node_cache_gb: float = Field(10, gt=0)
    """On a node of a cluster: room for templates and sound that jobs brought; what was not used for longest
    goes."""

    @field_validator("cluster")
    @classmethod
    def _a_cluster(cls, cluster: str) -> str:
        if cluster.startswith("ray://"):
            raise ValueError(
                "Ray's client (ray://) streams no results; let this machine join the cluster, with "
                "`ray start --address=HOST:PORT --num-cpus=0`, and give HOST:PORT"
            )
        host, _, port = cluster.rpartition(":")
        if cluster != LOCAL and not (host and port.isdecimal() and 0 < int(port) < 65_536):
            raise ValueError("is local, or like 10.0.0.1:6379")
        return cluster

    @property
    def on_cluster(self) -> bool:
        """Whether videos are made elsewhere."""
        return self.cluster != LOCAL
