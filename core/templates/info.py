"""What is known of a template, and what it is called."""

import asyncio
import hashlib
import json
import logging
import re
import time
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from core.digest import sha256_of
from core.errors import BadInput
from core.faces.choice import AUTO
from core.media.foreign import probe
from core.media.info import check_large_enough
from core.media.results import write_whole
from core.templates.sample import SAMPLE
from core.templates.walk import Actions, actions_of

log = logging.getLogger(__name__)

_STILL = "it has several pictures, like an animation; the first alone is used (as MP4 it would move)"

LONGEST_NAME, _LONGEST_ID = 100, 64


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """What is known of a template. Width, height, fps and duration are the source's; a picture lasts 0 s.

    face: whose face is meant (`core.faces.choice`). recipe: what it was made by, as a hash, if it was made
    from another template (`core.templates.background`, `enlarge`, `actions`). warnings: what the lip-sync
    engine of the settings had to say against it when it was prepared, for people. actions: what its frames
    show, counted at its own rate; None: it only idles.
    """

    id: str
    name: str
    kind: str
    source: str
    sha256: str
    bytes: int
    width: int
    height: int
    fps: float
    duration_s: float
    created_at: float
    face: str = AUTO
    recipe: str = ""
    warnings: tuple[str, ...] = ()
    actions: Actions | None = None

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of what the person can do."""
        return self.actions.names if self.actions else ()


def keep_info(info: TemplateInfo, folder: Path) -> None:
    """Write what is known of a template into its folder."""
    said = json.dumps(asdict(info), ensure_ascii=False, indent=1)
    write_whole(folder / "template.json", said.encode())


def kept_info(folder: Path) -> TemplateInfo:
    """What is known of the template in `folder`; what a later version wrote besides is passed over.

    Raises BadInput `template_damaged`.
    """
    path = folder / "template.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name: said[field.name] for field in fields(TemplateInfo) if field.name in said}
        known["warnings"] = tuple(known.get("warnings", ()))
        known["actions"] = actions_of(known.get("actions"))
        return TemplateInfo(**known)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"{path} cannot be read ({error!r}); move {folder} away and add the template again"
        raise BadInput("template_damaged", message, "template") from error


def every(folder: Path) -> list[TemplateInfo]:
    """What is known of every template of a library; one that cannot be read is left out, and logged."""
    found = []
    for path in folder.glob("[!.]*/template.json"):
        try:
            found.append(kept_info(path.parent))
        except BadInput as error:
            log.warning("template left out: %s", error.message)
    return found


async def template_info(source: Path, identity: str, name: str, face: str) -> TemplateInfo:
    """What a template made of `source` would be. Raises BadInput for a file that cannot become one."""
    found = await probe(source)
    if found.kind == "audio":
        raise BadInput("audio_only", f"{source.name} has no picture; a template is a video or a picture")
    check_large_enough(source.name, found.width, found.height)
    return TemplateInfo(
        id=identity,
        name=name,
        kind=found.kind,
        source=f"source{source.suffix.lower()}",
        sha256=await asyncio.to_thread(sha256_of, source),
        bytes=source.stat().st_size,
        width=found.width,
        height=found.height,
        fps=found.fps,
        duration_s=found.duration_s,
        created_at=time.time(),
        face=face,
        warnings=(_STILL,) if found.kind == "image" and (found.frames or 1) > 1 else (),
    )


def checked_name(name: str) -> str:
    """A template's name with its white space tidied. Raises BadInput `bad_name` for what is none."""
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or not all(map(_shown, name)):
        message = f"a template's name has 1 to {LONGEST_NAME} printable characters; give another"
        raise BadInput("bad_name", message, "name")
    return name


def name_of(text: str) -> str:
    """A name made of what nobody gave as one: without what cannot be shown, and no longer than names may be.

    Where something is lost, a few letters stand for it: different texts have different names.
    """
    tidy = " ".join(unicodedata.normalize("NFC", text).split())
    shown = " ".join("".join(filter(_shown, tidy)).split())
    if shown != tidy or len(shown) > LONGEST_NAME or _slug(shown) == SAMPLE:
        shown = f"{shown[: LONGEST_NAME - 9].strip()} {_digest(tidy)}".strip()
    return shown or "template"


def name_of_file(file: str) -> str:
    """The name of a template of a file of that name, with or without its folders, of any system."""
    base = re.sub(r"^.*[\\/]|^[A-Za-z]:(fakepath)?", "", file)
    return name_of(base.rpartition(".")[0] if "." in base else base)


def template_id(name: str) -> str:
    """The id that a template of this name has, unless another has it (`new_id`).

    Accents, case and what separates words may differ; for what an id cannot show, letters of a hash stand.
    """
    slug = _slug(name)
    apart = unicodedata.normalize("NFKD", _alike(name))
    bare = "".join(char for char in apart if not unicodedata.combining(char))
    shown = re.fullmatch(r"[a-z0-9 ._-]+", bare) and 0 < len(slug) <= _LONGEST_ID
    return slug if shown else _own_id(name)


def made_id(base: str, digest: str, name: str | None) -> str:
    """The id of what is made of template `base`: that of its own name, if it is given one, else of the base's
    and of `digest`, of what makes it another. Raises BadInput `bad_name`."""
    return template_id(checked_name(name)) if name is not None else f"{base[:54]}-{digest[:8]}"


def new_id(folder: Path, name: str) -> str:
    """The id for a template of this name in the library in `folder`: another's only if that has the name."""
    plain = template_id(name)
    try:
        there = kept_info(folder / plain).name
    except BadInput:
        return plain  # it is free, or damaged, which is said later
    return plain if _alike(there) == _alike(name) else _own_id(name)


def _own_id(name: str) -> str:
    """An id that no other name has."""
    return f"{_slug(name)[: _LONGEST_ID - 9].strip('-') or 'template'}-{_digest(_alike(name))}"


def _alike(name: str) -> str:
    """What is the same for names that differ in case, or in how Unicode writes them, alone."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", _alike(name)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _shown(char: str) -> bool:
    return char.isprintable() or char in "\u200c\u200d"  # joiners, of emoji and of Persian and Indian letters


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def unknown_template(identity: str, known: Iterable[str]) -> BadInput:
    """What to tell whoever asks for one that is not there, of those that they may know."""
    told = f"there is no template {identity[:80]!r}; there are: {', '.join(sorted(set(known)))}"
    return BadInput("unknown_template", told, "template")
