from pathlib import Path

import cv2
import numpy as np
import pytest

from core import models
from core.errors import EngineUnavailable
from tests.support import ROOT

SIDES = {models.MESH: 192, models.NEAR_FACES: 128, models.FAR_FACES: 192, models.SELFIE: 256}


@pytest.mark.parametrize("file", models.SHA256)
def test_a_network_gives_what_it_gave_on_other_versions_of_opencv(file):
    with np.load(ROOT / "tests" / "fixtures" / "networks.npz") as stored:
        picture, expected = stored["picture"], stored[Path(file).stem]
    side = SIDES[file]
    shown = cv2.resize(picture, (side, side), interpolation=cv2.INTER_NEAREST)
    net = models.network(file)
    net.setInput(cv2.dnn.blobFromImage(shown, 1 / 255, swapRB=True))
    largest = max(net.forward(net.getUnconnectedOutLayersNames()), key=lambda output: output.size).ravel()
    given = largest[:: max(1, len(largest) // 1500)]
    assert np.abs(given - expected).max() <= 1e-3 * max(1.0, float(np.abs(expected).max()))


def test_every_network_is_told_of_where_it_comes_from():
    sources = (ROOT / "core" / "models" / "SOURCES.md").read_text()
    for file, checksum in models.SHA256.items():
        assert file in sources
        assert checksum in sources


@pytest.mark.parametrize("data", [None, b"not a network"])
def test_a_network_that_is_missing_or_damaged_is_told(tmp_path, monkeypatch, data):
    if data is not None:
        (tmp_path / models.MESH).write_bytes(data)
    monkeypatch.setattr(models, "files", lambda _: tmp_path)
    with pytest.raises(EngineUnavailable, match="install lipstream again"):
        models.network(models.MESH)
    assert models.MESH in str(models.unavailable(models.MESH))


def test_an_opencv_without_the_importer_is_told(monkeypatch):
    monkeypatch.delattr(cv2.dnn, "readNetFromTFLite")
    assert "opencv-python-headless>=4.8" in str(models.unavailable(models.MESH))
