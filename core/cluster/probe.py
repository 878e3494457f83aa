"""`python -m core.cluster.probe HOST:PORT` says `connected` if it was let in; else Ray says why not.

With `nodes` after it, it then says a line of JSON for each node: what a process there finds installed.
"""

import json
import logging
import sys

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

ANSWER_S = 20.0
"""Seconds for a node to say what it has: a process is started there."""


def installed() -> dict[str, str]:
    """What the machine has that runs this; it travels there by itself, as this module may not be there."""
    import importlib.metadata
    import platform

    try:
        version = importlib.metadata.version("lipstream")
    except importlib.metadata.PackageNotFoundError:
        version = ""
    return {"python": platform.python_version(), "lipstream": version}


def main(address: str, *more: str) -> None:
    """Connect, look, and leave."""
    ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    tell("connected")
    asked = {
        node["NodeID"]: ray.remote(installed)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote()
        for node in ray.nodes()
        if more and node["Alive"] and {"CPU", "GPU"} & set(node["Resources"])
    }
    names = {node["NodeID"]: f"{node['NodeManagerAddress']}-{node['NodeID'][:6]}" for node in ray.nodes()}
    for identity, answer in asked.items():
        try:
            found = ray.get(answer, timeout=ANSWER_S)
        except RayError as error:
            found = {"problem": str(error).strip().splitlines()[0]}
        tell(json.dumps({"name": names[identity]} | found))


def tell(line: str) -> None:
    """To whoever started this."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
