"""Checkpoints this project can use: what they are, where they come from, whose terms they are under; and
getting them, resumed after every interruption and kept only if every byte is right.

None is shipped. Loading them is for `core.engines.checkpoints`; here they are bytes.
"""

import errno
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput, StorageFull

_RESEARCH = (
    "Wav2Lip's weights were trained on LRS2. Their authors (github.com/Rudrabha/Wav2Lip) allow research, "
    "academic and personal use only; any commercial use is strictly prohibited. Ask people before you put "
    "words into their mouths, and say that the video is made."
)
_MIT_WIDER = (
    "The code is MIT; the weights were trained on WIDER FACE, whose pictures are for non-commercial research."
)
_BSD_WIDER = (
    "From face-alignment (BSD-3-Clause); the weights were trained on WIDER FACE, whose pictures are for "
    "non-commercial research."
)

_MIT_VOICE = (
    "MIT (github.com/RVC-Boss/GPT-SoVITS). It speaks with the voice of any recording: have the speaker's "
    "consent, and say that the voice is made."
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A published file of weights.

    file: its name on disk. size: in bytes. sha256: of the whole file. sources: addresses, tried in order.
    terms: what the user must agree to before it is downloaded.
    """

    name: str
    about: str
    file: str
    size: int
    sha256: str
    sources: tuple[str, ...]
    terms: str


_FACES = "https://huggingface.co/camenduru/Wav2Lip/resolve/main/checkpoints"
_FACEXLIB = "https://github.com/xinntao/facexlib/releases/download/v0.1.0"
_CODEFORMER = "https://github.com/sczhou/CodeFormer/releases/download/v0.1.0"
# The revision whose hashes these are; what lies on `main` may change.
_SOVITS = "lj1995/GPT-SoVITS/resolve/336b2ec4e8d4ac74740798dd40af44e74659ecaf"


def _sovits(path: str) -> tuple[str, ...]:
    return tuple(f"https://{host}/{_SOVITS}/{path}" for host in ("huggingface.co", "hf-mirror.com"))


CHECKPOINTS: Mapping[str, Checkpoint] = {
    entry.name: entry
    for entry in (
        Checkpoint(
            "wav2lip",
            "lips, 96 px: the most accurate sync",
            "wav2lip.pth",
            435_807_851,
            "b78b681b68ad9fe6c6fb1debc6ff43ad05834a8af8a62ffc4167b7b34ef63c37",
            (
                f"{_FACES}/wav2lip.pth",
                "https://huggingface.co/numz/wav2lip_studio/resolve/main/Wav2lip/wav2lip.pth",
                "https://huggingface.co/rippertnt/wav2lip/resolve/main/wav2lip.pth",
            ),
            _RESEARCH,
        ),
        Checkpoint(
            "wav2lip-gan",
            "lips, 96 px: the better picture",
            "wav2lip_gan.pth",
            435_801_865,
            "ca9ab7b7b812c0e80a6e70a5977c545a1e8a365a6c49d5e533023c034d7ac3d8",
            (
                f"{_FACES}/wav2lip_gan.pth",
                "https://huggingface.co/numz/wav2lip_studio/resolve/main/Wav2lip/wav2lip_gan.pth",
                "https://huggingface.co/Nekochu/Wav2Lip/resolve/main/wav2lip_gan.pth",
            ),
            _RESEARCH,
        ),
        Checkpoint(
            "s3fd",
            "face finder, as Wav2Lip uses it",
            "s3fd-619a316812.pth",
            89_843_225,
            "619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
            (
                "https://www.adrianbulat.com/downloads/python-fan/s3fd-619a316812.pth",
                f"{_FACES}/s3fd-619a316812.pth",
            ),
            _BSD_WIDER,
        ),
        Checkpoint(
            "retinaface",
            "face finder with landmarks, small and fast",
            "detection_mobilenet0.25_Final.pth",
            1_789_735,
            "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
            (
                f"{_FACEXLIB}/detection_mobilenet0.25_Final.pth",
                f"{_CODEFORMER}/detection_mobilenet0.25_Final.pth",
            ),
            _MIT_WIDER,
        ),
        Checkpoint(
            "retinaface-resnet50",
            "face finder with landmarks, thorough",
            "detection_Resnet50_Final.pth",
            109_497_761,
            "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
            (f"{_FACEXLIB}/detection_Resnet50_Final.pth", f"{_CODEFORMER}/detection_Resnet50_Final.pth"),
            _MIT_WIDER,
        ),
        Checkpoint(
            "gpt-sovits-t2s",
            "cloned voices: text to tokens, of v2Pro, v2ProPlus and later",
            "s1v3.ckpt",
            155_284_856,
            "87133414860ea14ff6620c483a3db5ed07b44be42e2c3fcdad65523a729a745a",
            _sovits("s1v3.ckpt"),
            _MIT_VOICE,
        ),
        Checkpoint(
            "gpt-sovits-v2proplus",
            "cloned voices: tokens to sound, the best",
            "s2Gv2ProPlus.pth",
            200_125_741,
            "d42a22bbbf65fb2bbdd45ad6a66841156977db45c7aabe0a6992ff378d9c7d3b",
            _sovits("v2Pro/s2Gv2ProPlus.pth"),
            _MIT_VOICE,
        ),
        Checkpoint(
            "gpt-sovits-v2pro",
            "cloned voices: tokens to sound, a third cheaper",
            "s2Gv2Pro.pth",
            162_303_657,
            "0f8ead815234365edf045c6d86370ed6e4f440e8195be77ff0ea72684ad406a5",
            _sovits("v2Pro/s2Gv2Pro.pth"),
            _MIT_VOICE,
        ),
        Checkpoint(
            "gpt-sovits-speaker",
            "cloned voices: tells speakers apart (ERes2NetV2)",
            "pretrained_eres2netv2w24s4ep4.ckpt",
            107_528_697,
            "4f5a0bf73c61eb41b174e1bb54e7ee3c83233892be8e0af1f187024e8e581a35",
            _sovits("sv/pretrained_eres2netv2w24s4ep4.ckpt"),
            "From 3D-Speaker; Apache-2.0.",
        ),
        Checkpoint(
            "chinese-hubert",
            "cloned voices: listens to the reference",
            "chinese-hubert-base.bin",
            188_811_417,
            "24164f129c66499d1346e2aa55f183250c223161ec2770c0da3d3b08cf432d3c",
            _sovits("chinese-hubert-base/pytorch_model.bin"),
            "From TencentGameMate/chinese-hubert-base; MIT.",
        ),
        Checkpoint(
            "chinese-roberta",
            "cloned voices: how Chinese is meant",
            "chinese-roberta-wwm-ext-large.bin",
            651_225_145,
            "e53a693acc59ace251d143d068096ae0d7b79e4b1b503fa84c9dcf576448c1d8",
            _sovits("chinese-roberta-wwm-ext-large/pytorch_model.bin"),
            "From hfl/chinese-roberta-wwm-ext-large; Apache-2.0.",
        ),
        Checkpoint(
            "chinese-roberta-tokens",
            "the vocabulary of chinese-roberta",
            "chinese-roberta-wwm-ext-large.json",
            268_962,
            "173796956820ea27bd14f76bf28162607ff4254807e2948253eb5b46f5bb643b",
            _sovits("chinese-roberta-wwm-ext-large/tokenizer.json"),
            "From hfl/chinese-roberta-wwm-ext-large; Apache-2.0.",
        ),
    )
}

Report = Callable[[int, int], None]
"""Called with (bytes there, bytes in all) while a file comes in."""
_TRIES = 5
"""Attempts at one source that bring nothing before the next source is tried; one that brings something does
not count."""
_CHUNK = 1 << 20


def installed(folder: Path, own: Mapping[str, Path] | None = None) -> frozenset[str]:
    """Names of the checkpoints that lie in `folder` in full length, and of the user's `own` files."""
    there = {c.name for c in CHECKPOINTS.values() if _length(folder / c.file) == c.size}
    return frozenset(there | {name for name, path in (own or {}).items() if path.is_file()})


def locate(name: str, folder: Path, own: Mapping[str, Path] | None = None) -> Path:
    """Where checkpoint `name` is: the user's own file if he named one, else in `folder`.

    Raises BadInput `weights_missing`, which says what to download, or `unknown_weights`.
    """
    path = own[name] if own and name in own else folder / known(name).file
    if not path.is_file():
        raise BadInput(
            "weights_missing",
            f"{path} is missing; get it with: lipstream models download {name}",
        )
    return path


def known(name: str) -> Checkpoint:
    """The table's row. Raises BadInput `unknown_weights` if there is none."""
    if name not in CHECKPOINTS:
        raise BadInput(
            "unknown_weights", f"there are no weights {name!r}; there are: {', '.join(CHECKPOINTS)}", "name"
        )
    return CHECKPOINTS[name]


def verify(checkpoint: Checkpoint, folder: Path) -> str:
    """ "ok", "missing", "partial" (a download to go on with), or what is wrong with the file."""
    path = folder / checkpoint.file
    if not path.is_file():
        return "partial" if _part(path).is_file() else "missing"
    return _fault(path, checkpoint) or "ok"


def download(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    accept: bool,
    mirror: str | None = None,
    report: Report = lambda _done, _total: None,
    pause_s: float = 1.0,
) -> Path:
    """Get `checkpoint` into `folder`, going on where an earlier try stopped; at once if it is there already.

    accept: the user agrees to `checkpoint.terms`, which are then kept beside the file.
    mirror: address of a folder that has the file under its name; tried before the publisher's.
    pause_s: first wait between tries; it doubles.
    Raises BadInput `terms_not_accepted` or `download_failed`, which tells what each source gave; StorageFull.
    """
    path = folder / checkpoint.file
    if path.is_file() and _fault(path, checkpoint) is None:
        return path
    if not accept:
        raise BadInput(
            "terms_not_accepted",
            f"{checkpoint.name} has terms to accept first: {checkpoint.terms}",
            "accept",
        )
    folder.mkdir(parents=True, exist_ok=True)
    sources = [f"{mirror.rstrip('/')}/{checkpoint.file}"] if mirror else []
    failures = []
    for source in [*sources, *checkpoint.sources]:
        try:
            fault = _bring(source, path, checkpoint, report, pause_s)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StorageFull(f"no room in {folder} for {checkpoint.size} bytes") from error
            fault = str(error)
        if fault is not None:
            failures.append(f"{source}: {fault}")
            continue
        path.with_name(f"{path.name}.terms.txt").write_text(checkpoint.terms + "\n", encoding="utf-8")
        os.replace(_part(path), path)
        return path
    raise BadInput(
        "download_failed",
        f"{checkpoint.name} could not be downloaded; {'; '.join(failures)}. "
        f"Put the file into {folder} as {checkpoint.file} by hand, or name a mirror",
    )


def _bring(source: str, path: Path, checkpoint: Checkpoint, report: Report, pause_s: float) -> str | None:
    """Bring the whole file to `.part`; None if right, else what is wrong. Raises OSError as `_fetch`."""
    part = _part(path)
    resumed = part.is_file()
    _fetch(source, part, checkpoint.size, report, pause_s)
    fault = _fault(part, checkpoint)
    if fault is not None:
        part.unlink()
        if resumed:  # what was there may have come from elsewhere; this source deserves a clean try
            return _bring(source, path, checkpoint, report, pause_s)
    return fault


def _fetch(source: str, part: Path, size: int, report: Report, pause_s: float) -> None:
    """Bring `part` to `size` bytes. Raises OSError if the source is no good."""
    tries = 0
    while (have := _length(part)) < size:
        try:
            _fetch_once(source, part, size, report)
        except (http.client.HTTPException, OSError) as error:
            if _hopeless(error):
                raise
            tries = 0 if _length(part) > have else tries + 1
            if tries == _TRIES:
                raise OSError(f"gave up after {_TRIES} tries: {error}") from error
            time.sleep(pause_s * 2**tries if tries else 0)


def _fetch_once(source: str, part: Path, size: int, report: Report) -> None:
    if not source.startswith(("http://", "https://")):
        raise OSError(errno.EINVAL, "not an http address")
    have = _length(part)
    request = urllib.request.Request(source, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310  # http, as checked above
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  # the same
        resumed = response.status == 206
        if not resumed:
            have = 0  # the source cannot go on; begin again
        offered = have + int(response.headers.get("Content-Length") or size - have)
        if offered != size:
            raise OSError(errno.EINVAL, f"offers {offered} bytes, {size} expected: not this file")
        with part.open("ab" if resumed else "wb") as file:
            while block := response.read(_CHUNK):
                file.write(block[: size - have])
                have = min(size, have + len(block))
                report(have, size)
    if have < size:
        raise OSError(errno.ECONNRESET, f"broke off at {have} of {size} bytes")


def _hopeless(error: Exception) -> bool:
    """Whether asking the same source again cannot help."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code < 500 and error.code not in (408, 429)
    return isinstance(error, OSError) and error.errno in (errno.EINVAL, errno.ENOSPC, errno.EACCES)


def _fault(path: Path, checkpoint: Checkpoint) -> str | None:
    """What is wrong with the file at `path`, or None."""
    length = _length(path)
    if length != checkpoint.size:
        return f"{length} bytes, {checkpoint.size} expected"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if digest == checkpoint.sha256 else f"its sha256 is {digest}, not {checkpoint.sha256}"


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
