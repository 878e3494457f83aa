"""Every form a checkpoint comes in, made here with torch itself; and every wrong file named."""

import json
import os
import pickle
import warnings
import zipfile

import pytest

from core.errors import BadInput

torch = pytest.importorskip("torch")

from core.engines.compute.checkpoints import load_net, load_tensors  # noqa: E402  # needs torch

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


class Small(torch.nn.Module):
    """Nested as the real ones are, with a buffer and shared storage."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList(
            [torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))]
        )
        self.last = torch.nn.Linear(5, 2)

    def forward(self, x):
        return self.blocks[0](x)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(3)
    return Small().eval()


def script(net, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # files of this kind exist all the same
        torch.jit.trace(net, torch.zeros(1, 3, 8, 8)).save(str(path))


def prefixed(net):
    return {f"module.{key}": value for key, value in net.state_dict().items()}


FORMS = {
    "bare": lambda net, path: torch.save(net.state_dict(), path),
    "wrapped, with optimizer": lambda net, path: torch.save(
        {"state_dict": net.state_dict(), "optimizer": {"state": {0: torch.ones(9)}}, "global_step": 7}, path
    ),
    "data-parallel": lambda net, path: torch.save({"state_dict": prefixed(net)}, path),
    "data-parallel, bare": lambda net, path: torch.save(prefixed(net), path),
    "legacy, not a zip": lambda net, path: torch.save(
        net.state_dict(), path, _use_new_zipfile_serialization=False
    ),
    "params_ema": lambda net, path: torch.save({"params_ema": net.state_dict()}, path),
    "TorchScript": script,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_tensors(tmp_path, net, form):
    FORMS[form](net, tmp_path / "net.pth")
    loaded = load_net(tmp_path / "net.pth", "a small net", lambda _shapes: Small())
    assert not loaded.training
    for key, value in net.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key


class Malice:
    """Makes a file when unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_malicious_pickle_is_refused_and_never_runs(tmp_path):
    trap = tmp_path / "trap"
    for k, content in enumerate([Malice(str(trap)), {"state_dict": Malice(str(trap))}]):
        for legacy in (False, True):
            path = tmp_path / f"{k}{legacy}.pth"
            torch.save(content, path, _use_new_zipfile_serialization=not legacy)
            with pytest.raises(BadInput, match="would run code") as refused:
                load_tensors(path)
            assert refused.value.code == "weights_unsafe"
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Malice(str(trap))))
    with pytest.raises(BadInput):
        load_tensors(tmp_path / "plain.pkl")
    assert not trap.exists()


def test_a_malicious_torchscript_archive_is_refused_and_never_runs(tmp_path, net):
    trap = tmp_path / "trap"
    with zipfile.ZipFile(tmp_path / "evil.pt", "w") as archive:
        archive.writestr("evil/constants.pkl", pickle.dumps(()))
        archive.writestr("evil/data.pkl", pickle.dumps(Malice(str(trap))))
    with pytest.raises(BadInput) as refused:
        load_tensors(tmp_path / "evil.pt")
    assert refused.value.code == "weights_unsafe"
    assert not trap.exists()


def test_a_file_cut_short_is_called_damaged_wherever_it_is_cut(tmp_path, net):
    for form in ("bare", "legacy, not a zip", "TorchScript"):
        path = tmp_path / "net.pth"
        FORMS[form](net, path)
        whole = path.read_bytes()
        for share in (0.02, 0.3, 0.7, 0.98):
            path.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(BadInput) as damaged:
                load_tensors(path)
            assert damaged.value.code in ("weights_damaged", "weights_wrong", "weights_unsafe"), (form, share)
            assert str(path) in damaged.value.message


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "a PNG picture"),
        (bytes(range(200, 256)), "of unknown format"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named_for_what_it_is(tmp_path, content, named):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(BadInput, match=named):
        load_tensors(tmp_path / "x.pth")


def test_a_zip_of_something_else_is_not_a_checkpoint(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("holiday.txt", "sun")
    with pytest.raises(BadInput, match="a zip file"):
        load_tensors(tmp_path / "x.pth")


def test_a_checkpoint_without_tensors_says_what_it_has(tmp_path):
    torch.save({"epoch": 3, "names": ["a"]}, tmp_path / "x.pth")
    with pytest.raises(BadInput, match="a dict of epoch, names") as wrong:
        load_tensors(tmp_path / "x.pth")
    assert wrong.value.code == "weights_wrong"


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(BadInput, match="there is no file") as missing:
        load_tensors(tmp_path / "x.pth")
    assert missing.value.code == "weights_missing"


def test_another_networks_checkpoint_is_named(tmp_path, pytestconfig):
    fixtures = pytestconfig.rootpath / "tests" / "fixtures"
    keys = json.loads((fixtures / "s3fd" / "keys.json").read_text())
    torch.save({key: torch.zeros(shape) for key, shape in keys}, tmp_path / "x.pth")
    with pytest.raises(BadInput, match="should be a small net, but it is an S3FD face detector") as wrong:
        load_net(tmp_path / "x.pth", "a small net", lambda _shapes: Small())
    assert wrong.value.code == "weights_wrong"


def test_a_tensor_too_many_too_few_or_of_another_shape_is_an_error(tmp_path, net):
    state = net.state_dict()
    for change in (
        {**state, "extra": torch.zeros(1)},
        {key: value for key, value in state.items() if key != "last.bias"},
        {**state, "last.bias": torch.zeros(3)},
    ):
        torch.save(change, tmp_path / "x.pth")
        with pytest.raises(BadInput) as wrong:
            load_net(tmp_path / "x.pth", "a small net", lambda _shapes: Small())
        assert wrong.value.code == "weights_wrong"
