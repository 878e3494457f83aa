"""Names that settings had in the services Lipstream takes the place of: what each means now.

They are understood wherever a setting can stand (TOML, `.env`, the environment), in upper or lower case.
The lip-sync, speech, enhancement and combining services were set up by environment; GPT-SoVITS by its
`config.py` (https://github.com/RVC-Boss/GPT-SoVITS, MIT), whose names are at the end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class OldName:
    """What became of a name. become: the settings a value of it stands for; None if it means nothing now.

    about: for people: what it is now, or what takes its place.
    """

    become: Callable[[str], dict[str, Any]] | None
    about: str


def _same(name: str) -> OldName:
    return OldName(lambda value: {name: value}, f"`{name}`")


def _weights(*names: str) -> OldName:
    return OldName(
        lambda value: {"own_weights": dict.fromkeys(names, value)}, f"`own_weights`: {', '.join(names)}"
    )


def _folder(**files: str) -> OldName:
    """A folder of Hugging Face's layout, of which some files are read."""
    names = {name.replace("_", "-"): file for name, file in files.items()}
    return OldName(
        lambda value: {"own_weights": {name: str(Path(value) / file) for name, file in names.items()}},
        f"`own_weights`: {', '.join(names)}, from that folder",
    )


def _lips(value: str) -> dict[str, Any]:
    name = "wav2lip-gan" if "gan" in Path(value).name.lower() else "wav2lip"
    return {"own_weights": {name: value}}


OLD_NAMES: Mapping[str, OldName] = {
    "gpt_sovits_url": _same("gpt_sovits_url"),
    "video_base_path": _same("video_base_path"),
    "temp_video_path": _same("temp_video_path"),
    "generated_audio_path": _same("generated_audio_path"),
    "temp_srt_path": _same("temp_srt_path"),
    "srt_path": _same("srt_path"),
    "keep_temp": _same("keep_temp"),
    "result_dir_base": _same("result_dir_base"),
    "temp_dir_base": _same("temp_dir_base"),
    "wav2lip_url": OldName(None, "nothing: lips are made in this process"),
    "model_path": OldName(_lips, "`own_weights`: wav2lip, or wav2lip-gan for a file with gan in its name"),
    "gpt_path": _weights("gpt-sovits-t2s"),
    "sovits_path": _weights("gpt-sovits-v2proplus"),
    "cnhubert_path": _folder(chinese_hubert="pytorch_model.bin"),
    "bert_path": _folder(chinese_roberta="pytorch_model.bin", chinese_roberta_tokens="tokenizer.json"),
    "oss_access_key_id": OldName(lambda value: {"oss_access_key_id": value}, "`oss_access_key_id`"),
    "oss_access_key_secret": OldName(
        lambda value: {"oss_access_key_secret": value}, "`oss_access_key_secret`"
    ),
}
"""By name in lower case."""
