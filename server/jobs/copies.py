"""Copies of what a job made for a client of an older service, in the folders the settings name.

Those services left their results, and what they needed on the way, in folders that other programs may look
into. Jobs here keep everything in a folder of their own; this is only for those programs.
"""

import logging
import shutil
from pathlib import Path

from server.settings import ServerSettings

log = logging.getLogger(__name__)


def deposit(settings: ServerSettings, place: Path, job_id: str) -> None:
    """Copy the files in `place`, a completed job's folder. Blocking.

    A folder that cannot be written is said in the log: the job has its files all the same.
    """
    for folder, name in _wanted(settings):
        source = place / name
        if folder is None or not source.exists():
            continue
        draft = folder / f".{job_id}{source.suffix}"
        try:
            # For others to read, unlike what the server keeps for itself.
            for missing in reversed([part for part in (folder, *folder.parents) if not part.exists()]):
                missing.mkdir(exist_ok=True)
                missing.chmod(0o755)
            shutil.copyfile(source, draft)
            draft.chmod(0o644)
            draft.replace(folder / f"{job_id}{source.suffix}")
        except OSError:
            log.exception("could not leave a copy of %s of job %s in %s", name, job_id, folder)
            draft.unlink(missing_ok=True)


def _wanted(settings: ServerSettings) -> list[tuple[Path | None, str]]:
    """Where copies go, and of what."""
    wanted = [(settings.result_dir_base, "video.mp4"), (settings.srt_path, "subtitles.srt")]
    if settings.keep_temp:
        rest = settings.temp_dir_base
        wanted += [
            (settings.temp_video_path or rest, "stream.mp4"),
            (settings.generated_audio_path or rest, "speech.m4a"),
            (settings.temp_srt_path or rest, "subtitles.srt"),
        ]
    return wanted
