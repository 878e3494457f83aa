"""Fixtures that several tests share because they take seconds to make."""

import asyncio
from pathlib import Path

import pytest

from core.config import Settings
from core.engines.builtin import presenter
from core.media.clip import write_clip
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates


@pytest.fixture(scope="session")
def presenter_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of the drawn presenter, 256x256, 25 frames a second."""
    clip = tmp_path_factory.mktemp("clips") / "presenter.mp4"
    write_clip(clip, presenter.frames(12, 25, 256), 25)
    return clip


@pytest.fixture(scope="session")
def small_library(presenter_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose library holds that clip as the template `small`."""
    folder = tmp_path_factory.mktemp("library")

    async def add() -> None:
        async with EnginePool() as pool:
            await Templates(Settings(data_dir=folder), pool).add(presenter_clip, "small")

    asyncio.run(add())
    return folder
