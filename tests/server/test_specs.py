"""What a job's record keeps of its request: read whatever wrote it; asked for strictly."""

import json

import pytest
from pydantic import ValidationError

from core.errors import UnreadableRecord
from server.schemas import describe
from server.schemas.requests import BackgroundRequest, EnhancementRequest, LipsyncRequest, VideoRequest
from server.schemas.specs import (
    BackgroundSpec,
    EnhancementSpec,
    TemplateSpec,
    VideoSpec,
    body_of,
    read_spec,
    same_body,
)
from server.schemas.templates import EnlargeRequest
from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

EMPTY = dict.fromkeys(
    [
        *("video", "enhancement", "upload", "template_file", "template_name", "template_sha256", "scene"),
        *("prepare", "background", "base", "enlarge"),
    ]
) | {"service": False, "face": "auto"}
"""A record before there was a shape for each kind: all fields of all of them, and no word of its kind."""


@pytest.mark.parametrize(
    ("kind", "fields", "shape"),
    [
        ("video", {"template": "t", "video": {"text": "Hello."}}, VideoSpec),
        ("video", {"template": None, "upload": "u", "scene": "s", "video": {"face": "2"}}, VideoSpec),
        ("template", {"template": "t", "upload": "u", "face": "largest"}, TemplateSpec),
        ("template", {"template": "t", "base": "b", "enlarge": {"engine": "builtin"}}, TemplateSpec),
        ("background", {"template": "t", "base": "b", "background": {"prompt": "sea"}}, BackgroundSpec),
        ("enhancement", {"template": None, "enhancement": {"upscale": 2}, "upload": "u"}, EnhancementSpec),
    ],
)
def test_records_of_earlier_and_later_versions_are_read(kind, fields, shape):
    record = EMPTY | {"title": "a"} | fields
    spec = read_spec(kind, json.dumps(record))
    assert type(spec) is shape
    assert read_spec(kind, spec.model_dump_json()) == spec
    later = record | {"of_a_later_version": 1}
    for name in ("video", "background", "enhancement", "enlarge"):
        if record[name] is not None:
            later[name] = record[name] | {"of_a_later_version": {"too": True}}
    assert read_spec(kind, json.dumps(later)) == spec


def test_which_of_two_requests_a_video_has_is_told_by_its_fields():
    spoken = read_spec("video", json.dumps({"title": "a", "template": "t", "video": {"text": "Hello."}}))
    heard = read_spec("video", json.dumps({"title": "a", "template": None, "video": {"face": "2"}}))
    assert isinstance(spoken.video, VideoRequest)
    assert isinstance(heard.video, LipsyncRequest)


def test_a_request_is_read_strictly_as_ever():
    with pytest.raises(ValidationError):
        EnlargeRequest.model_validate_json('{"of_a_later_version": 1}')
    with pytest.raises(UnreadableRecord):
        read_spec("video", '{"title": "a", "template": "t"}')


@pytest.mark.parametrize("name", ["audio_url", "template_url"])
def test_a_request_is_shown_without_what_opens_doors_in_its_urls(name):
    url = "https://me:secret@media.example:8443/a/b.mp4?X-Signature=secret#secret"
    spec = VideoSpec(title="a", template="t", video=VideoRequest.model_validate({name: url}))
    shown = describe._request(spec)
    assert getattr(shown, name) == "https://media.example:8443/a/b.mp4"
    assert getattr(spec.video, name) == url
    none = VideoSpec(title="a", template="t", video=VideoRequest.model_validate({name: "http://[secret"}))
    assert getattr(describe._request(none), name) == ""


OPTIONALS = [
    *("video", "enhancement", "upload", "template_file", "template_name", "template_sha256", "scene"),
    *("prepare", "background", "base", "enlarge"),
]


def as_of_old(spec, files):
    """The body as it was kept when one shape had the fields of all kinds, and none said which it was."""
    said = dict.fromkeys(OPTIONALS) | {"service": False, "face": "auto"} | spec.model_dump(mode="json")
    del said["kind"]
    return json.dumps([spec.kind, said, files])


SPOKEN = VideoRequest.model_validate({"text": "Hi.", "options": {"engines": {"speech": "builtin"}}})
SPECS = [
    VideoSpec(title="a", template="t", video=SPOKEN),
    VideoSpec(title="a", template=None, video=LipsyncRequest.model_validate({"face": "2"}), upload="file"),
    TemplateSpec(title="a", template="t", upload="file", face="2"),
    TemplateSpec(title="a", template="t", base="u", enlarge=EnlargeRequest()),
    BackgroundSpec(
        title="a", template="t", base="u", background=BackgroundRequest.model_validate({"prompt": "x"})
    ),
    EnhancementSpec(title="a", enhancement=EnhancementRequest(), upload="file"),
]


@pytest.mark.parametrize("spec", SPECS)
def test_what_came_with_a_key_is_the_same_across_versions(spec):
    files = {"file": "00"}
    body = body_of(spec, files)
    old = as_of_old(spec, files)
    kind, fewer, _ = json.loads(body)
    nested = next((name for name in ("video", "background", "enhancement") if fewer.get(name)), None)
    if nested is not None:  # a version without one of its fields, and one with one more
        fewer[nested] = {name: value for name, value in fewer[nested].items() if value is not None}
        fewer[nested]["of_a_later_version"] = None
    assert same_body(body, body)
    assert old != body
    assert same_body(old, body)
    assert same_body(body, old)
    assert same_body(body, json.dumps([kind, fewer, files]))
    others = [
        body_of(spec.model_copy(update={"title": "b"}), files),
        body_of(spec, {"file": "01"}),
        body_of(spec, {}),
        *(body_of(other, files) for other in SPECS if other is not spec),
        "",
        "[]",
        "no JSON",
        '["hologram", {}, {}]',
    ]
    assert not [other for other in others if same_body(old, other) or same_body(other, body)]


def test_what_cannot_be_read_is_the_same_only_to_the_letter():
    assert same_body("no JSON", "no JSON")
    assert not same_body("no JSON", "no JSON either")


def test_a_request_in_a_nested_field_is_another_request():
    other = SPOKEN.model_copy(update={"text": "Hi!"})
    louder = VideoRequest.model_validate({"text": "Hi.", "options": {"engines": {"speech": "other"}}})
    for video in (other, louder):
        assert not same_body(
            body_of(SPECS[0], {}), body_of(VideoSpec(title="a", template="t", video=video), {})
        )


@pytest.mark.slow
async def test_a_request_repeated_after_an_upgrade_is_the_same_job(data_dir):
    async with served(data_dir) as it:
        key = {"Idempotency-Key": "k"}
        job = await it.post("/v1/videos", 202, {"text": "Hello."}, headers=key)

        def earlier(db, log):
            _, said, files = json.loads(db.execute("select body from jobs").fetchone()[0])
            old = as_of_old(VideoSpec.model_validate(said), files)
            db.execute("update jobs set body = ?", (old,))

        await it.state.store._writer.submit(earlier)
        assert (await it.post("/v1/videos", 200, {"text": "Hello."}, headers=key))["id"] == job["id"]
        refused = await it.post("/v1/videos", 422, {"text": "Hello!"}, headers=key)
        assert refused["error"]["code"] == "idempotency_conflict"
