"""How a text is read: shown, and changed by a request."""

import pytest

from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures


@pytest.mark.slow
async def test_a_preview_shows_what_any_voice_will_say(data_dir, monkeypatch, tmp_path):
    (tmp_path / "own.txt").write_text("SQL = S Q L\nAPI = a p i\n", "utf-8")
    monkeypatch.setenv("LIPSTREAM_READINGS", str(tmp_path / "own.txt"))

    async with served(data_dir) as it:

        async def read(**body):
            async with it.http.post("/v1/speech/preview", json=body) as response:
                return response.status, await response.json()

        status, shown = await read(text="满100-20。[停顿2秒]电话138-1234-5678。")
        assert status == 200
        assert [(one["spoken"], one["pause_s"]) for one in shown["data"]] == [
            ("满一百减二十。", 2.0),
            ("电话幺三八，幺二三四，五六七八。", 0.0),
        ]
        assert [one["start"] for one in shown["data"]] == [0, 14]
        for own in (
            {"SQL": "sequel", "重庆": "chong2 qing4"},
            ["# mine", "SQL = sequel", "重庆=chong2qing4"],
        ):
            _, shown = await read(text="重庆的SQL和API", readings=own)
            assert [one["spoken"] for one in shown["data"]] == ["崇庆的sequel和a p i"]
        status, told = await read(text="a", readings=["SQL = sequel", "", "重庆"])
        assert status == 422
        assert "line 3: '重庆' is no reading; write it as" in told["error"]["message"]
        status, told = await read(text="...")
        assert (status, told["error"]["code"]) == (422, "empty_text")
        body = {"input": "SQL", "readings": {"SQL": "the sequel of the sequel"}, "response_format": "pcm"}
        lengths = []
        for sent in (body, body | {"readings": {}}):
            async with it.http.post("/v1/audio/speech", json=sent) as response:
                lengths.append(len(await response.read()))
        assert lengths[0] > 1.5 * lengths[1]


@pytest.mark.slow
async def test_a_video_is_spoken_with_the_readings_of_its_request(data_dir):
    async with served(data_dir) as it:
        lengths = []
        for own in (None, ["SQL = the sequel of the sequel of the sequel"]):
            body = {"text": "SQL", "readings": own, "options": {"enhance": False}}
            async with it.http.post("/v1/videos", json=body) as response:
                assert response.status == 202, await response.text()
                job = await it.ended((await response.json())["id"])
            assert job["status"] == "completed", job["error"]
            lengths.append(job["metrics"]["audio_s"])
        assert lengths[1] > 2 * lengths[0]
