"""Get the checkpoints of `core.weights.table`: resumed after every break, kept only if every byte is right.

Loading them is for `core.engines.compute.checkpoints`; here they are bytes.
"""

import errno
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from core.digest import sha256_of
from core.errors import BadInput, StorageFull
from core.weights.table import CHECKPOINTS, SETS, Checkpoint

ByteReport = Callable[[int, int], None]
"""Called with (bytes there, bytes in all) while a file comes in."""
_TRIES = 5
"""Attempts at one source that bring nothing before the next source is tried; one that brings something does
not count."""
_CHUNK = 1 << 20
_HUB = "https://huggingface.co"


class Installed(frozenset[str]):
    """Names of checkpoints that can be loaded. astray: the user's own files that are not where he said."""

    astray: Mapping[str, Path]

    def __new__(cls, names: Iterable[str], astray: Mapping[str, Path]) -> "Installed":
        made = super().__new__(cls, names)
        made.astray = astray
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (frozenset(self), dict(self.astray)))


def installed(folder: Path, own: Mapping[str, Path] | None = None) -> Installed:
    """Names of the checkpoints that lie in `folder` in full length, or are the user's `own` files."""
    own = own or {}
    there = {c.name for c in CHECKPOINTS.values() if _length(folder / c.file) == c.size}
    astray = {name: path for name, path in own.items() if not path.is_file()}
    return Installed((there | own.keys()) - astray.keys(), astray)


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


def chosen(names: Iterable[str]) -> list[Checkpoint]:
    """The table's rows of these names, those of `SETS` in place of a set. Raises BadInput like `known`."""
    return [known(one) for name in names for one in SETS.get(name, (name,))]


def known(name: str) -> Checkpoint:
    """The table's row. Raises BadInput `unknown_weights` if there is none."""
    if name not in CHECKPOINTS:
        raise BadInput(
            "unknown_weights",
            f"there are no weights {name!r}; there are: {', '.join([*CHECKPOINTS, *SETS])}",
            "name",
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
    report: ByteReport = lambda _done, _total: None,
    pause_s: float = 1.0,
) -> Path:
    """Get `checkpoint` into `folder`, going on where an earlier try stopped; at once if it is there already.

    accept: the user agrees to `checkpoint.terms`, which are then kept beside the file.
    mirror: address of a folder that has the file under its name; tried before the publisher's. Files on the
        Hugging Face Hub are looked for at HF_ENDPOINT first, if that is in the environment.
    pause_s: first wait between tries; it doubles.
    Raises BadInput `terms_not_accepted` or `download_failed`, which tells what each source gave; StorageFull.
    """
    path = folder / checkpoint.file
    if path.is_file() and _fault(path, checkpoint) is None:
        return path
    if not accept:
        raise BadInput(
            "terms_not_accepted",
            f"{checkpoint.name} has terms to accept first: {checkpoint.terms} "
            "To accept them, and those of the other files that you asked for, add --accept to the command: "
            f"lipstream models download {checkpoint.name} --accept",
            "accept",
        )
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    for source in _sources(checkpoint, mirror):
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


def _sources(checkpoint: Checkpoint, mirror: str | None) -> list[str]:
    """Where to look for the file, in order."""
    first = [f"{mirror.rstrip('/')}/{checkpoint.file}"] if mirror else []
    if endpoint := os.environ.get("HF_ENDPOINT", "").rstrip("/"):
        on_hub = [source for source in checkpoint.sources if source.startswith(_HUB)]
        first += [endpoint + source.removeprefix(_HUB) for source in on_hub]
    return list(dict.fromkeys([*first, *checkpoint.sources]))


def _bring(source: str, path: Path, checkpoint: Checkpoint, report: ByteReport, pause_s: float) -> str | None:
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


def _fetch(source: str, part: Path, size: int, report: ByteReport, pause_s: float) -> None:
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


def _fetch_once(source: str, part: Path, size: int, report: ByteReport) -> None:
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
    digest = sha256_of(path)
    return None if digest == checkpoint.sha256 else f"its sha256 is {digest}, not {checkpoint.sha256}"


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
