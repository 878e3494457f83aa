"""What is known of a template, and what it is called."""

import asyncio
import hashlib
import json
import logging
import re
import time
import unicodedata
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from core.errors import BadInput
from core.faces.choice import AUTO
from core.media.foreign import probe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """What is known of a template. Width, height, fps and duration are the source's; a picture lasts 0 s.

    face: whose face is meant (`core.faces.choice`). recipe: what it was made by, as a hash, if it was made
    from another template (`core.templates.background`, `core.templates.enlarge`). warnings: what the lip-sync
    engine of the settings had to say against it when it was prepared, for people.
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


def keep_info(info: TemplateInfo, folder: Path) -> None:
    """Write what is known of a template into its folder."""
    (folder / "template.json").write_text(json.dumps(asdict(info), ensure_ascii=False, indent=1))


def kept_info(folder: Path) -> TemplateInfo:
    """What is known of the template in `folder`; what a later version wrote besides is passed over.

    Raises BadInput `template_damaged`.
    """
    path = folder / "template.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name: said[field.name] for field in fields(TemplateInfo) if field.name in said}
        return TemplateInfo(**(known | {"warnings": tuple(known.get("warnings", ()))}))
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


async def describe(source: Path, identity: str, name: str, face: str) -> TemplateInfo:
    """What a template made of `source` would be. Raises BadInput for a file that cannot become one."""
    found = await probe(source)
    if found.kind == "audio":
        raise BadInput("audio_only", f"{source.name} has no picture; a template is a video or a picture")
    return TemplateInfo(
        id=identity,
        name=name,
        kind=found.kind,
        source=f"source{source.suffix.lower()}",
        sha256=await asyncio.to_thread(_sha256, source),
        bytes=source.stat().st_size,
        width=found.width,
        height=found.height,
        fps=found.fps,
        duration_s=found.duration_s,
        created_at=time.time(),
        face=face,
    )


def checked_name(name: str) -> str:
    """A template's name with its white space tidied. Raises BadInput `bad_name` for what is none."""
    name = " ".join(name.split())
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise BadInput("bad_name", "a template's name has 1 to 100 printable characters", "name")
    return name


def template_id(name: str) -> str:
    """The id that a template of this name has."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64]
    return slug or "template-" + hashlib.sha256(name.encode()).hexdigest()[:8]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
