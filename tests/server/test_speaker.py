"""Voices made of the recordings that requests bring."""

import os

from core.engines.gpt_sovits.voices import add_voice, list_voices
from server.catalog import speaker
from tests.support.recordings import recording


def test_the_voices_of_requests_that_were_not_used_for_longest_go_and_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(speaker, "KEPT", 2)
    for age, name in enumerate(("ref_new", "ref_old", "ref_older", "anna")):
        add_voice(tmp_path, name, recording(), text="", language="en")
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    speaker._keep_recent(tmp_path, "ref_older")
    assert [voice.name for voice in list_voices(tmp_path)] == ["anna", "ref_new", "ref_older"]
