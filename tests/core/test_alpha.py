"""Videos of a person without background, from the template to the file."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.config import Settings
from core.errors import BadInput
from core.render import Request
from core.render_file import render_file
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from tests.core.media.test_webm import alphas
from tests.support.mattes import known

SAID = "Good morning."


def rendered(data: Path, request: Request, path: Path, **captions: bool) -> tuple[Path, dict[str, str]]:
    async def main() -> tuple[Path, dict[str, str]]:
        async with EnginePool() as pool:
            video = await render_file(
                request, pool, Templates(Settings(data_dir=data), pool), path, **captions
            )
            return video.path, video.progress.engines

    return asyncio.run(main())


@pytest.fixture(scope="module")
def data(small_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alpha") / "data"
    shutil.copytree(small_library, folder)
    return folder


@pytest.mark.slow
def test_the_person_talks_without_background_and_is_cut_out_once(data: Path, tmp_path: Path) -> None:
    request = Request("small", SAID, speech="builtin", format="webm")
    path, engines = rendered(data, request, tmp_path / "out")
    assert path.name == "out.webm"
    assert engines["matte"] == "flat"
    seen, true = alphas(path), known(12, 256)[1][..., 0]
    for k in (0, 11, 14):
        assert np.abs(seen[k] / 255 - true[min(k, 22 - k)]).mean() < 0.02
    (person,) = data.rglob("*.person.mp4")
    clips = sorted(person.parent.glob("*.mp4"))
    assert len(clips) == 3  # with the video and the mattes
    before = [clip.stat().st_mtime_ns for clip in clips]

    again = Request("small", SAID, speech="builtin", format="mov", label="visible", burn_subtitles=True)
    labelled, _ = rendered(data, again, tmp_path / "out")
    assert labelled.name == "out.mov"
    assert [clip.stat().st_mtime_ns for clip in clips] == before
    shown = alphas(labelled)[0]
    corner, label = shown[60:120, :30], shown[16:26, 90:166]  # beside her head; in the label, above it
    assert corner.max() < 16
    assert (label > 100).mean() > 0.9
    assert shown[225:240, 20:236].max() > 240


def test_a_track_of_captions_in_a_webm_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        rendered(data, Request("small", SAID, format="webm"), tmp_path / "out.webm", srt_track=True)
    assert caught.value.code == "track_needs_mp4"
    assert not list(tmp_path.iterdir())
