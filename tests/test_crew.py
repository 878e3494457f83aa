import threading

import pytest

torch = pytest.importorskip("torch")

from core.engines.crew import Crew  # noqa: E402  # needs torch


@pytest.fixture
def crew():
    crew = Crew()
    yield crew
    crew.close()


def test_cores_are_shared_out_among_the_threads_and_left_to_all_others(crew):
    cores = torch.get_num_threads()
    inside = crew.each(lambda _share: torch.get_num_threads(), range(crew.size))
    assert inside == [cores // crew.size] * crew.size
    seen = []
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert seen == [cores]


def test_results_come_in_the_order_of_the_shares_and_nothing_is_left_out(crew):
    for count in range(1, 4 * crew.size + 2):
        shares = crew.each(list, range(count))
        assert [item for share in shares for item in share] == list(range(count))
        assert len(shares) <= crew.size


def test_an_error_is_raised_once_all_are_done(crew):
    done = []

    def work(share):
        if 0 in share:
            raise ValueError("unlucky")
        done.append(share)

    with pytest.raises(ValueError, match="unlucky"):
        crew.each(work, range(crew.size))
    assert len(done) == crew.size - 1
