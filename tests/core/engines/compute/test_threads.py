import threading

import pytest

torch = pytest.importorskip("torch")

from core.engines.compute.threads import ThreadPool, undivided  # noqa: E402  # needs torch

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


@pytest.fixture
def threads():
    threads = ThreadPool()
    yield threads
    threads.close()


def test_cores_are_shared_out_among_the_threads_and_left_to_all_others(threads):
    cores = torch.get_num_threads()
    inside = threads.each(lambda _share: torch.get_num_threads(), range(threads.size))
    assert inside == [cores // threads.size] * threads.size
    seen = []
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert seen == [cores]


def test_what_is_undivided_keeps_to_one_thread_and_changes_nothing_for_others():
    cores = torch.get_num_threads()
    torch.set_num_threads(3)
    seen = []
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    try:
        with undivided():
            seen.append(torch.get_num_threads())
            other.start()
            other.join()
        assert [*seen, torch.get_num_threads()] == [1, 3, 3]
    finally:
        torch.set_num_threads(cores)


def test_results_come_in_the_order_of_the_shares_and_nothing_is_left_out(threads):
    for count in range(1, 4 * threads.size + 2):
        shares = threads.each(list, range(count))
        assert [item for share in shares for item in share] == list(range(count))
        assert len(shares) <= threads.size


def test_an_error_is_raised_once_all_are_done(threads):
    done = []

    def work(share):
        if 0 in share:
            raise ValueError("unlucky")
        done.append(share)

    with pytest.raises(ValueError, match="unlucky"):
        threads.each(work, range(threads.size))
    assert len(done) == threads.size - 1
