"""The dictionary of jieba, which cuts Chinese text into words: where it is kept, and how it is loaded."""

import marshal
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs


def load_dictionary(jieba: Any) -> None:
    """Have the package jieba ready to cut, with a cache of this user's, and say nothing in the log.

    By itself it uses the system's folder for temporary files, where anybody may lay down another: it is
    unmarshalled as it is. Where the folder cannot be made jieba does without a cache, half a second slower.
    By itself, too, it has the cache read from the file a word at a time, which takes 1.2 s instead of 0.3.
    """
    folder = Path(platformdirs.user_cache_dir("lipstream", appauthor=False))
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    dictionary = jieba.dt
    dictionary.tmp_dir = str(folder)
    jieba.setLogLevel(60)
    with dictionary.lock:
        if not dictionary.initialized:
            with suppress(OSError, ValueError, EOFError, TypeError):  # there is none yet, or it is damaged
                kept = (folder / "jieba.cache").read_bytes()
                dictionary.FREQ, dictionary.total = marshal.loads(kept)  # noqa: S302  # nobody else wrote it
                dictionary.initialized = True
    dictionary.initialize()
