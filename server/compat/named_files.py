"""Files that requests of older clients name: by URL, or by a path in a folder that the settings allow."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from core.digest import sha256_of
from core.errors import BadInput
from server.fetch.fetcher import Kind
from server.settings import ServerSettings
from server.state import AppState
from server.uploads import Upload


async def named(state: AppState, name: str, *kinds: Kind, param: str) -> Upload:
    """The file, as if it had been uploaded. Raises BadInput like `allowed_path` and `AppState.fetch`."""
    if "://" in name and not name.startswith("file://"):
        return await state.fetch(name, *kinds, param=param)
    path = allowed_path(state.settings, name.removeprefix("file://"), param)
    return await asyncio.to_thread(_copied, path, state.folder.incoming())


def allowed_path(settings: ServerSettings, name: str, param: str) -> Path:
    """The file at a path. Raises BadInput `unknown_file` unless it lies in a folder that may be read.

    Nothing is said of files elsewhere, not even whether they are there.
    """
    folders = [
        settings.video_base_path,
        settings.temp_video_path,
        settings.generated_audio_path,
        settings.temp_dir_base,
        settings.result_dir_base,
        *settings.media_paths,
    ]
    if "\0" not in name and len(name) < 4096:
        roots = [folder.resolve() for folder in folders if folder]
        # A plain name is one in any of them. Joined to an absolute path, a folder means nothing.
        for path in (Path(name), *(root / name for root in roots)):
            found = path.resolve()  # links and dots are followed first: what counts is where it really lies
            with suppress(OSError):  # too long a name
                if any(found.is_relative_to(root) for root in roots) and found.is_file():
                    return found
    raise BadInput(
        "unknown_file",
        f"there is no file {name[:200]!r} in the folders that may be named; see the setting media_paths",
        param,
    )


def _copied(path: Path, to: Path) -> Upload:
    # A copy: what lies elsewhere may change while the job waits.
    shutil.copyfile(path, to)
    return Upload(to, path.name, to.stat().st_size, sha256_of(to))
