"""`python -m core.cluster.probe HOST:PORT` says `connected` if it was let in; else Ray says why not."""

import logging
import sys

import ray


def main(address: str) -> None:
    """Connect, and leave."""
    ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    sys.stdout.write("connected\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
