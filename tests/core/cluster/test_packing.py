import asyncio
from pathlib import Path

import pytest

from core.cluster.packing import Packer
from core.config import Settings
from core.enhancement.video import Enhancement
from core.errors import BadInput
from core.labels import number_of
from core.render import Request
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates


def packer(folder: Path, **settings: Path) -> Packer:
    chosen = Settings(data_dir=folder, **settings)
    return Packer(Templates(chosen, EnginePool(settings=chosen)))


def test_a_request_travels_without_a_path_of_this_machine_and_keeps_its_number(
    small_library: Path, tmp_path: Path
) -> None:
    sound, words = tmp_path / "sound.wav", tmp_path / "words.txt"
    sound.write_bytes(b"sound")
    words.write_text("SQL = sequel\nGUI = gooey")
    request = Request(template="small", audio=sound, readings={"GUI": "G U I"})
    packed, bundles = asyncio.run(packer(small_library, readings=words).request(request))
    assert packed.audio == Path(bundles[0].digest, "sound.wav")
    assert packed.template == bundles[1].digest
    assert {"template.json", "source.mp4"} < set(bundles[1].files)
    assert packed.readings == {"SQL": "sequel", "GUI": "G U I"}
    assert packed.number == number_of(request)


def test_the_same_files_are_the_same_bundle_whatever_they_are_for(tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes(b"video")
    one = packer(tmp_path)
    once, bundles = asyncio.run(one.request(Request(text="Hi.", video=video)))
    clearer, others = asyncio.run(one.enhancement(Enhancement(video)))
    assert [bundle.digest for bundle in bundles] == [bundle.digest for bundle in others]
    assert once.video == clearer.source


def test_the_sample_that_was_not_drawn_is_not_sent_and_an_unknown_template_is_refused(tmp_path: Path) -> None:
    packed, bundles = asyncio.run(packer(tmp_path).request(Request(text="Hi.")))
    assert (packed.template, bundles) == ("sample", [])
    with pytest.raises(BadInput) as raised:
        asyncio.run(packer(tmp_path).request(Request(text="Hi.", template="nobody")))
    assert (raised.value.code, raised.value.param) == ("unknown_template", "template")
