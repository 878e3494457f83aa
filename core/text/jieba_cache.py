"""Where jieba, which cuts Chinese text into words, keeps its dictionary once it has read it."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs


def keep_to_oneself(jieba: Any) -> None:
    """Have the package jieba use a cache of this user's, and say nothing in the log.

    By itself it uses the system's folder for temporary files, where anybody may lay down another: it is
    unmarshalled as it is. Where the folder cannot be made jieba does without a cache, half a second slower.
    """
    folder = Path(platformdirs.user_cache_dir("lipstream", appauthor=False))
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    jieba.dt.tmp_dir = str(folder)
    jieba.setLogLevel(60)
