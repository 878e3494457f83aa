"""Which errors are the client's, and which the server's."""

import errno

import pytest
from pydantic import TypeAdapter, ValidationError

from core import errors
from server.errors import Refused, invalid, reading, refusal
from server.schemas.live import AnySessionMessage
from server.schemas.requests import BatchedVideo, VideoRequest


def test_a_shape_is_the_clients_fault_only_where_a_body_was_read():
    with pytest.raises(ValidationError) as broken:
        VideoRequest.model_validate({"text": 5})
    assert (refusal(broken.value).status, refusal(broken.value).code) == (500, "internal")
    with pytest.raises(Refused) as refused, reading():
        VideoRequest.model_validate({"text": 5})
    assert (refused.value.status, refused.value.code, refused.value.param) == (422, "invalid_request", "text")
    with pytest.raises(Refused) as refused, reading():
        VideoRequest.model_validate_json("{")
    assert (refused.value.status, refused.value.code) == (400, "malformed_json")


def test_a_full_disk_is_told_as_one() -> None:
    full = refusal(OSError(errno.ENOSPC, "No space left on device", "/data/templates/a"))
    assert (full.status, full.code) == (507, "storage_full")


@pytest.mark.parametrize(
    ("body", "param", "meant"),
    [
        ({"templte": "sample"}, "templte", "template"),
        ({"text": "Hi.", "Voice": "f440"}, "Voice", "voice"),
        ({"options": {"engines": {"speach": "auto"}}}, "options.engines.speach", "speech"),
        ({"options": {"subtitle_trak": True}}, "options.subtitle_trak", "subtitle_track"),
        ({"colour": "red"}, "colour", None),
        ({"": 1}, None, None),
    ],
)
def test_an_unknown_field_is_told_with_the_one_that_was_meant(body, param, meant):
    with pytest.raises(Refused) as refused, reading(VideoRequest):
        VideoRequest.model_validate(body)
    assert refused.value.param == param
    asked = f"there is no such field; did you mean {meant}?" if meant else "there is no such field"
    assert refused.value.message.endswith(asked)


def test_a_name_of_the_wrong_shape_is_told_in_words():
    for made in (BatchedVideo, VideoRequest):
        field = {"id": "how are you"} if made is BatchedVideo else {"template": "../a"}
        with (
            pytest.raises(
                Refused, match=r"(id|template): is .*letters, digits, and after the first"
            ) as refused,
            reading(made),
        ):
            made.model_validate({"text": "Hi."} | field)
        assert "pattern" not in refused.value.message


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("{", "this is not JSON: EOF"),
        ("{}", "is no object with a type"),
        ('{"type": "dance"}', "there is no type 'dance'; there are 'ask', "),
        (
            '{"type": "interrupt", "ref": "%s"}' % ("x" * 129),
            "interrupt.ref: has 129 characters; at most 128 may be",
        ),
        ('{"type": "interrupt", "ref": ""}', "interrupt.ref: is empty"),
    ],
)
def test_what_is_wrong_with_a_message_is_told_in_words_that_fit_it(message, told):
    with pytest.raises(ValidationError) as broken:
        TypeAdapter(AnySessionMessage).validate_json(message)
    assert invalid(broken.value).message.startswith(told)


def test_every_error_stands_in_the_tree_that_is_drawn():
    classes = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)
    ]
    drawn = {line.split()[0] for line in (errors.__doc__ or "").splitlines() if line.strip()}
    assert {each.__name__ for each in classes} <= drawn
