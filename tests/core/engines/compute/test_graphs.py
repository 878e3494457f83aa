"""Recording and replay on a device that is not there; and the stand-in does notice what breaks its rules."""

import threading

import pytest

torch = pytest.importorskip("torch")

from core.engines.compute.batches import Batches  # noqa: E402  # needs torch
from core.engines.compute.graphs import Graph, recorded  # noqa: E402
from tests.core.engines.compute.test_batches import EXAMPLE, Small, inputs  # noqa: E402
from tests.support.fake_cuda import fake_device  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

CPU = torch.device("cpu")


@pytest.fixture
def world():
    with fake_device(count=2) as made:
        yield made


def there(x, device="cuda:0"):
    return x.to(torch.device(device))


def test_batches_of_every_size_come_out_of_the_graphs_as_from_the_network(world):
    net = Small().eval()
    fast = Batches(net, EXAMPLE, torch.device("cuda:1"), torch.float32)
    for count in (1, 3, 16, 21):
        given = inputs(count)
        with torch.inference_mode():
            wanted = net(*given)
        replays = world.calls["replay"]
        torch.testing.assert_close(fast(*given).cpu(), wanted, rtol=1e-4, atol=1e-5)
        again = fast(*(there(x, "cuda:1") for x in given))  # made on the device already
        torch.testing.assert_close(again.cpu(), wanted, rtol=1e-4, atol=1e-5)
        assert world.calls["replay"] > replays
    assert world.made_on - {"cpu"} == {"cuda:1"}
    assert world.modes == {"thread_local"}  # other engines' threads may allocate meanwhile


def test_a_graph_repeats_itself_on_new_inputs_and_keeps_its_buffers(world):
    device = torch.device("cuda:0")
    total = there(torch.zeros(3))

    def run(x, number):
        total.add_(x)
        return {"sum": total * 1.0, "next": number + 1}

    graph = Graph(run, (torch.zeros(3), torch.zeros(1, dtype=torch.int64)), device)
    total.zero_()
    for k in (1, 2, 3):
        made = graph(torch.full((3,), float(k)), torch.tensor([k]))
    assert made["sum"].cpu().tolist() == [6.0] * 3
    assert made["next"].cpu().tolist() == [4]


def test_inputs_of_another_shape_are_refused(world):
    graph = Graph(lambda x: x + 1, (torch.zeros(4, 3),), torch.device("cuda:0"))
    with pytest.raises(ValueError, match=r"recorded for \(4, 3\), called with \(1, 3\)"):
        graph(torch.zeros(1, 3))


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda x: x * float(x.sum()), id="waits for a number"),
        pytest.param(lambda x: x[x > 0], id="a size that depends on numbers"),
        pytest.param(lambda x: x + torch.ones(3).to(x.device), id="copies from the CPU"),
        pytest.param(lambda x: x.cpu(), id="copies to the CPU"),
        pytest.param(
            lambda x: x + torch.ones(3).pin_memory().to(x.device, non_blocking=True), id="pins memory"
        ),
    ],
)
def test_what_cannot_be_recorded_runs_unrecorded_with_a_warning(world, run, caplog):
    device = torch.device("cuda:0")
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        Graph(run, (torch.ones(3),), device)
    assert torch.cuda.current_stream() is world.usual[0]
    with caplog.at_level("WARNING"):
        plain = recorded(run, (torch.ones(3),), device)
    assert "runs unrecorded" in caplog.text
    given = torch.tensor([1.0, -2.0, 3.0])
    with torch.inference_mode():
        wanted = run(given) if "pin" not in caplog.text else given + 1
    torch.testing.assert_close(plain(given).cpu(), wanted)


def test_memory_that_runs_out_is_not_taken_for_what_cannot_be_recorded(world):
    world.fails = lambda _func, _args: torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(torch.OutOfMemoryError):
        recorded(lambda x: x + 1, (torch.zeros(3),), torch.device("cuda:0"))


def test_two_threads_never_record_at_once_and_both_graphs_work(world):
    made = {}

    def record(k):
        with world.entered():
            graph = Graph(lambda x: x * k, (torch.zeros(5),), torch.device(f"cuda:{k - 1}"))
            made[k] = graph(torch.ones(5)).cpu().tolist()

    threads = [threading.Thread(target=record, args=(k,)) for k in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert made == {1: [1.0] * 5, 2: [2.0] * 5}


def unwaited():
    x = there(torch.ones(3)) * 2
    with torch.cuda.stream(torch.cuda.Stream()):
        return x + 1


def freed_too_soon():
    x = there(torch.ones(3))
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        made = x + 1
    del x
    return made


def pinned_too_soon():
    pinned = torch.zeros(3).pin_memory()
    there(torch.ones(3)).copy_(pinned, non_blocking=True)
    return pinned.copy_(torch.ones(3))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (unwaited, "still be writing"),
        (freed_too_soon, "memory was freed"),
        (pinned_too_soon, "a copy was reading"),
    ],
)
def test_the_stand_in_notices_who_does_not_wait(fault, told):
    with fake_device() as world:
        fault()
        with pytest.raises(AssertionError, match=told):
            world.check()
        world.faults.clear()


def test_the_stand_in_refuses_to_mix_devices_and_to_show_numpy_what_it_holds(world):
    with pytest.raises(RuntimeError, match="found at least two devices, cpu and cuda:0"):
        there(torch.ones(3)) + torch.ones(3)
    with pytest.raises(RuntimeError, match="cuda:0 and cuda:1"):
        there(torch.ones(3)) + there(torch.ones(3), "cuda:1")
    with pytest.raises(TypeError, match="can't convert"):
        there(torch.ones(3)).numpy()
    with pytest.raises(RuntimeError, match="invalid device"):
        there(torch.ones(3), "cuda:2")
