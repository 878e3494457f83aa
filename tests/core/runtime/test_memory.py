"""What a process has freed goes back to the system."""

import subprocess
import sys
import textwrap

import pytest

HOLD_AND_FREE = """
    import threading
    import psutil
    from core.runtime.memory import ARENAS, give_back, keep_little

    few = {few}
    if few:
        keep_little()
    blocks, there = [], threading.Barrier(8)

    def hold():
        there.wait()
        blocks.append([bytearray(50_000) for _ in range(100)])

    threads = [threading.Thread(target=hold) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pinned = [held[-1] for held in blocks]  # at the end of each arena
    full = psutil.Process().memory_info().rss
    blocks.clear()
    kept = psutil.Process().memory_info().rss
    give_back()
    print((full - psutil.Process().memory_info().rss) / 1e6, (full - kept) / 1e6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc keeps what is freed")
@pytest.mark.parametrize("few", [True, False])
def test_what_is_freed_goes_back_although_something_behind_it_is_held(few):
    code = textwrap.dedent(HOLD_AND_FREE.format(few=few))
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    given, before = map(float, done.stdout.split())
    assert given > 30
    assert given > before
