"""What a job's record keeps of its request: read whatever wrote it; asked for strictly."""

import json

import pytest
from pydantic import ValidationError

from server.schemas import describe
from server.schemas.requests import EnlargeRequest, LipsyncRequest, VideoRequest
from server.schemas.specs import BackgroundSpec, EnhancementSpec, TemplateSpec, VideoSpec, read_spec

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
    with pytest.raises(ValidationError):
        read_spec("video", '{"title": "a", "template": "t"}')


@pytest.mark.parametrize("name", ["audio_url", "template_url"])
def test_a_request_is_shown_without_what_opens_doors_in_its_urls(name):
    url = "https://me:secret@media.example:8443/a/b.mp4?X-Signature=secret#secret"
    spec = VideoSpec(title="a", template="t", video=VideoRequest.model_validate({name: url}))
    shown = describe._request(spec)
    assert getattr(shown, name) == "https://media.example:8443/a/b.mp4"
    assert getattr(spec.video, name) == url
