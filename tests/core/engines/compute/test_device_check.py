"""What `lipstream doctor` says of the devices that networks run on."""

import pytest

torch = pytest.importorskip("torch")

from core.engines import ENGINES  # noqa: E402
from core.engines.compute.device_check import checked  # noqa: E402  # needs torch
from core.engines.compute.devices import device_of, dtype_of  # noqa: E402
from core.engines.compute.quickest import FILE, quickest  # noqa: E402
from core.errors import BadInput  # noqa: E402
from core.nets.packed import can_pack, packed  # noqa: E402
from server.cli import main  # noqa: E402
from tests.support.fake_cuda import fake_device  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


def test_every_device_is_told_with_its_memory_and_what_it_counts_in():
    with fake_device(count=2, capability=(9, 0)) as world:
        found = checked(("auto", "cuda:1"), "auto")
        assert world.made_on >= {"cuda:0", "cuda:1"}
    assert [device.name for device in found] == ["cuda:0", "cuda:1", "cpu"]
    assert all(device.problem is None for device in found)
    assert "capability 9.0, networks in bfloat16, 6.0 of 8.0 GiB free" in found[0].about


def test_a_device_of_the_settings_that_is_not_there_is_a_problem_with_those_that_are():
    with fake_device(count=1):
        found = checked(("cuda:0", "cuda:3"), "float32")
    assert [device.problem for device in found[:-1]] == [None, None]
    assert found[-1].name == "cuda:3"
    assert "there are: auto, cuda:0, cpu" in found[-1].problem


def test_a_card_that_this_torch_has_no_kernels_for_is_found_out():
    with fake_device() as world:
        world.fails = lambda _func, _args: RuntimeError("CUDA error: no kernel image is available\nmore")
        gpu, _ = checked((), "auto")
        world.fails = lambda _func, _args: None
    assert gpu.problem == "CUDA error: no kernel image is available"


@pytest.mark.parametrize(("capability", "dtype"), [((7, 5), torch.float16), ((8, 6), torch.bfloat16)])
def test_cards_count_in_what_their_hardware_does(capability, dtype):
    with fake_device(count=2, capability=capability):
        assert device_of("auto") == device_of("cuda") == torch.device("cuda:0")
        assert device_of(" cuda:1 ,cuda:0") == torch.device("cuda:1")
        assert dtype_of("auto", torch.device("cuda:1")) == dtype
        assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_processor_counts_in_what_it_has_kernels_for_and_says_what_else_it_can(precision):
    cpu, dtype = torch.device("cpu"), getattr(torch, precision)
    if can_pack(dtype) or not can_pack():
        assert dtype_of(precision, cpu) == dtype
        x, net = torch.zeros(1, 3, 8, 8), torch.nn.Conv2d(3, 3, 3)
        run = packed(net, (x,), dtype) if can_pack() else net.to(dtype)
        with torch.inference_mode():
            assert run(x.to(dtype)).dtype == dtype
    else:
        with pytest.raises(BadInput, match=f"for networks in {precision}; set LIPSTREAM_PRECISION") as no:
            dtype_of(precision, cpu)
        assert (no.value.code, no.value.param) == ("precision_unavailable", "precision")
        assert checked((), precision)[-1].problem == no.value.message
    assert can_pack(dtype_of("auto", cpu)) or not can_pack()


def test_doctor_lists_devices_and_fails_for_one_that_is_not_there(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LIPSTREAM_DEVICE", "cuda:7")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setitem(ENGINES, "speech", {"builtin": ENGINES["speech"]["builtin"]})  # each says a word
    quickest("making nothing", {"one way": lambda: list}, tmp_path / FILE)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "ways tried here for making nothing: one way 0" in said
    assert "device cpu: this processor, networks in" in said
    assert "there is no device 'cuda:7' here" in said
