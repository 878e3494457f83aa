"""The engine around the network. The network here is a few lines whose output one can foresee; the real one
is held against the reference in test_parity.py."""

import itertools
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.engines.neural import NeuralSettings  # noqa: E402  # needs torch
from core.engines.redrawing.face import PADDING, colour_shift, cut_out, put_back, region, region_of, to_crop  # noqa: E402
from core.engines.redrawing.retouch import Retoucher  # noqa: E402
from core.engines.redrawing.silence import is_talking  # noqa: E402
from core.engines.redrawing.sound import RATE  # noqa: E402
from core.engines.wav2lip.engine import Wav2LipEngine, with_gan  # noqa: E402
from core.errors import BadInput  # noqa: E402
from core.nets.packed import can_pack  # noqa: E402
from core.nets.wav2lip import Layout, Wav2Lip, layout_of  # noqa: E402
from core.protocols import Drawing  # noqa: E402
from core.types import FaceTrack, Speech, frame_count  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

SIDE, FPS = 200, 25
BOX = np.array([0.115, 0.0, 0.915, 1.03 + PADDING])


class Echo(torch.nn.Module):
    """Gives the face back, its lower half brighter the louder the window is, in a colour cast."""

    layout = Layout()

    def __init__(self, cast: float = 0.0) -> None:
        super().__init__()
        self.cast = cast

    def lower_half(self, mel, faces):
        face = faces[:, 3:, 48:] * 0.9 + self.cast
        loud = (mel.mean(dim=(1, 2, 3)) + 4)[:, None, None, None]
        face[:, :, 12:32, 36:60] += 0.05 * loud
        return face


def settings(tmp_path, **given):
    return NeuralSettings(data_dir=tmp_path, device="cpu", precision="float32", **given)


@pytest.fixture
def engine(tmp_path):
    return Wav2LipEngine(net=Echo(), settings=settings(tmp_path))


def picture(seed: int = 0) -> np.ndarray:
    """Smooth and coloured, as skin is, with some grain."""
    noise = np.random.default_rng(seed).standard_normal((12, 12, 3)).repeat(17, 0).repeat(17, 1)[:SIDE, :SIDE]
    slope = np.linspace(0, 60, SIDE)[:, None, None]
    return (np.array([110, 130, 170]) + slope - 30 + 6 * noise).clip(0, 255).astype(np.uint8)


def track(count: int, roll: float = 0.0, face: float = 110.0) -> FaceTrack:
    a, b = face * np.cos(roll), face * np.sin(roll)
    pose = np.array([[a, -b, 45 + b / 2], [b, a, 40.0]])
    return FaceTrack(SIDE, np.zeros((count, 2), np.int32), np.stack([pose] * count), np.ones(count, np.bool_))


def speech_for(engine, frames, samples, rate=RATE):
    """What the stage gives the engine for these frames: their spans, silence where there is no sound."""
    low, high = engine.span(frames[0], rate, FPS)[0], engine.span(frames[-1], rate, FPS)[1]
    given = np.zeros(high - low, np.float32)
    a, b = max(low, 0), min(high, len(samples))
    if a < b:
        given[a - low : b - low] = samples[a:b]
    return Speech(given, rate, low)


def drawing(engine, frames, samples, prepared, rate=RATE, where=None):
    where = where or track(40)
    crops = np.stack([picture(k) for k in frames])
    return Drawing(
        frames, FPS, speech_for(engine, frames, samples, rate), crops, list(frames), where, prepared
    )


def draw(engine, frames, samples, prepared, rate=RATE, where=None):
    call = drawing(engine, frames, samples, prepared, rate, where)
    (made,) = engine.draw_together([call])
    return made, call.crops


def sound(seconds: float, rate: int = RATE, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(int(seconds * rate))
    return (0.2 * noise * (1 + np.sin(np.arange(len(noise)) * 25 / rate))).clip(-1, 1).astype(np.float32)


IDLE = {"box": BOX, "talks": np.array(False)}
TALKS = {"box": BOX, "talks": np.array(True)}


def test_however_frames_are_grouped_they_come_out_the_same_bit_for_bit(engine):
    samples = np.concatenate([sound(0.4), np.zeros(4000, np.float32), sound(0.6)])
    whole, _ = draw(engine, range(32), samples, IDLE)
    for size in (1, 3, 8):
        groups = [range(k, min(k + size, 32)) for k in range(0, 32, size)]
        parts = [draw(engine, group, samples, IDLE)[0] for group in groups]
        assert np.array_equal(np.concatenate(parts), whole), size


def test_calls_done_together_come_out_as_if_done_alone(engine):
    calls = [drawing(engine, range(k, k + n), sound(2, seed=k), IDLE) for k, n in ((0, 3), (5, 16), (2, 1))]
    for made, call in zip(engine.draw_together(calls), calls, strict=True):
        assert np.array_equal(made, engine.draw(call))


@pytest.mark.parametrize("roll", [0.0, 0.3])
def test_only_the_mouths_region_changes_and_the_given_crops_never_do(engine, roll):
    where = track(8, roll)
    made, crops = draw(engine, range(8), sound(1), TALKS, where=where)
    assert np.array_equal(crops, np.stack([picture(k) for k in range(8)]))
    changed = np.abs(made.astype(int) - crops).max(axis=(0, 3)) > 0
    assert changed.any()
    rows, columns = np.nonzero(changed)
    points = np.stack([columns, rows], 1) @ np.linalg.inv(where.poses[0][:, :2]).T
    points -= where.poses[0][:, 2] @ np.linalg.inv(where.poses[0][:, :2]).T
    assert points[:, 1].min() > 0.53  # the upper half of the face box ends at 0.545
    assert points[:, 1].max() < BOX[3] + 0.02
    assert points[:, 0].min() > BOX[0] + 0.03
    assert points[:, 0].max() < BOX[2] - 0.03


def test_a_cast_in_the_networks_colours_does_not_show(tmp_path):
    quiet = np.zeros(RATE, np.float32)
    made = {}
    for cast in (0.0, 0.08, -0.08):
        made[cast], crops = draw(
            Wav2LipEngine(net=Echo(cast), settings=settings(tmp_path)), range(4), quiet, TALKS
        )
    for image in made.values():
        # The whole lower half came back darker by a tenth, and up to 20 levels off.
        assert np.abs(image.astype(int) - crops).mean() < 0.6
        assert np.abs(image.astype(int) - crops).max() < 20
    assert np.abs(made[0.08].astype(int) - made[-0.08]).max() <= 2


def test_the_regions_edge_is_soft(engine):
    mask = region(96)
    assert mask.max() == 1
    assert mask[66:80, 36:60].min() == 1  # the mouth is wholly drawn
    assert (mask[:49] == 0).all()
    steps = max(np.abs(np.diff(mask, axis=axis)).max() for axis in (0, 1))
    assert steps < 0.25
    assert mask[-1].max() < 0.02
    assert mask[:, [0, -1]].max() == 0


def test_in_silence_the_template_is_shown_as_it_is_and_the_net_rests(engine, monkeypatch):
    monkeypatch.setattr(engine, "_net", None)
    made, crops = draw(engine, range(16), np.zeros(2 * RATE, np.float32), IDLE)
    assert np.array_equal(made, crops)


def test_who_talks_in_the_template_gets_a_drawn_mouth_in_silence_too(engine):
    made, crops = draw(engine, range(4), np.zeros(RATE, np.float32), TALKS)
    assert not np.array_equal(made, crops)


def test_the_drawn_mouth_fades_in_before_speech_and_out_after_it_within_a_few_frames(tmp_path):
    class Black(Echo):
        def lower_half(self, mel, faces):
            face = faces[:, 3:, 48:].clone()
            face[:, :, 12:36, 36:60] = 0
            return face

    engine = Wav2LipEngine(net=Black(), settings=settings(tmp_path))
    samples = np.zeros(2 * RATE, np.float32)
    samples[RATE // 2 : RATE] = sound(0.5)
    made, crops = draw(engine, range(40), samples, IDLE)
    dark = (crops.astype(float) - made).mean(axis=(1, 2, 3))
    share = dark / dark.max()
    assert (share[:8] == 0).all()
    assert (share[30:] == 0).all()
    assert share[13:24].min() > 0.9
    assert (np.diff(share[7:14]) > -0.05).all()
    assert (np.diff(share[24:32]) < 0.05).all()
    assert np.abs(np.diff(share)).max() < 0.65  # no cut
    assert ((share > 0.02) & (share < 0.9)).sum() >= 2


def test_frames_without_a_face_are_left_alone(engine):
    where = track(8)
    where.found[3:5] = False
    made, crops = draw(engine, range(8), sound(1), IDLE, where=where)
    same = [np.array_equal(a, b) for a, b in zip(made, crops, strict=True)]
    assert same == [False] * 3 + [True] * 2 + [False] * 3


@pytest.mark.parametrize("rate", [8000, 22_050, 24_000, 48_000, 96_000])
def test_a_frame_depends_on_its_span_alone_whatever_the_rate(engine, rate):
    samples = sound(2, rate)
    low, high = engine.span(20, rate, FPS)
    elsewhere = sound(2, rate, seed=9)
    elsewhere[low:high] = samples[low:high]
    whole, _ = draw(engine, range(20, 21), samples, IDLE, rate)
    # The stage hands over spans only; two sounds that agree there must give one picture.
    again, _ = draw(engine, range(20, 21), elsewhere, IDLE, rate)
    assert np.array_equal(whole, again)
    given = drawing(engine, range(18, 24), samples, IDLE, rate)
    assert np.array_equal(engine.draw_together([given])[0][2:3], whole)


def test_the_rate_of_the_sound_hardly_matters(engine):
    time = np.arange(96_000) / 48_000
    tone = (0.3 * np.sin(2 * np.pi * 300 * time) + 0.1 * np.sin(2 * np.pi * 1800 * time)).astype(np.float32)
    high, _ = draw(engine, range(10, 20), tone, IDLE, 48_000)
    low, _ = draw(engine, range(10, 20), tone[::3], IDLE, 16_000)
    assert np.abs(high.astype(int) - low).max() <= 2


@pytest.mark.parametrize("fps", [10, 24, 25, 30, 60])
def test_spans_move_with_the_frames_and_look_ahead_no_further_than_the_window(engine, fps):
    for rate in (16_000, 22_050):
        spans = [engine.span(k, rate, fps) for k in range(200)]
        ahead = [stop - k * rate / fps for k, (_, stop) in enumerate(spans)]
        lengths = {stop - start for start, stop in spans}
        assert max(ahead) < 0.2125 * rate + 40
        assert max(lengths) - min(lengths) <= rate // 80 + 4
        assert all(b[0] >= a[0] and b[1] >= a[1] for a, b in itertools.pairwise(spans))


def test_the_offset_moves_the_window_by_whole_frames(tmp_path):
    trained, published = (
        Wav2LipEngine(net=Echo(), settings=settings(tmp_path, wav2lip_offset=k)) for k in (-1, 0)
    )
    assert published.span(10, RATE, FPS)[1] - trained.span(10, RATE, FPS)[1] in (600, 640, 800)
    assert published.span(10, RATE, FPS)[1] == trained.span(11, RATE, FPS)[1]


def test_sound_shorter_than_a_window_and_sound_that_is_no_number_work(engine):
    for samples in (sound(0.05), np.full(RATE, np.nan, np.float32), np.zeros(0, np.float32)):
        frames = range(max(1, frame_count(len(samples), RATE, FPS)))
        made, crops = draw(engine, frames, samples, IDLE)
        assert made.shape == crops.shape
    made, crops = draw(engine, range(2), sound(0.05), IDLE)
    assert not np.array_equal(made[1], crops[1])  # the last frame speaks, to the very end of the sound


@pytest.mark.parametrize("face", [6.0, 30.0, 190.0, 900.0])
def test_tiny_and_huge_faces_and_those_half_out_of_the_picture_are_drawn(engine, face):
    for place in (-0.6, 0.0, 0.7):
        where = track(2, face=face)
        where.poses[:, :, 2] += place * SIDE
        made, crops = draw(engine, range(2), sound(1), TALKS, where=where)
        assert made.shape == crops.shape


def test_a_face_cut_out_and_put_back_unchanged_stays_what_it_was():
    crop, pose = picture(), track(1).poses[0]
    matrix = to_crop(pose, BOX, 96)
    face = cut_out(crop, matrix, 96)
    assert np.abs(colour_shift(face, face.astype(np.float32))).max() == 0
    again = crop.copy()
    lower = face[48:].astype(np.float32)
    put_back(again, lower, face, matrix, region(96))
    inside = cut_out(again, matrix, 96).astype(int) - face
    assert np.abs(inside).mean() < 1
    put_back(untouched := crop.copy(), lower, face, matrix, 0 * region(96))
    assert np.array_equal(untouched, crop)


def turned_head(yaw: float, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Five landmarks (5, 2) of a head turned by `yaw` to the viewer's right, and its ends (2,) at the mouth.

    A head in space, in distances between the eyes, seen from afar: it ends where an ellipse of points does.
    """
    points = np.array([[-0.5, 0.41], [0.5, 0.41], [0, 0], [-0.41, 0.38], [0.41, 0.38]])  # across, behind
    around = np.linspace(0, 2 * np.pi, 721)
    head = np.column_stack([0.91 * np.cos(around), 1.27 + np.sin(around)])
    across = [part[:, 0] * np.cos(yaw) - part[:, 1] * np.sin(yaw) for part in (points, head)]
    shift = 0.5 - (across[0][0] + across[0][1]) / 2 * 0.375  # the eyes stay in the middle of the face
    x, ends = (0.375 * part + shift for part in across)
    marks = np.column_stack([x, [0.39, 0.39, 0.62, 0.78, 0.78]])
    return marks @ pose[:, :2].T + pose[:, 2], np.array([ends.min(), ends.max()])


@pytest.mark.parametrize("roll", [0.0, 0.3])
@pytest.mark.parametrize("yaw", [-0.9, -0.5, -0.2, 0.0, 0.2, 0.5, 0.9])
def test_the_region_ends_where_a_turned_head_does(yaw, roll):
    pose = track(1, roll).poses[0]
    matrix = to_crop(pose, BOX, 96)
    marks, ends = turned_head(yaw, pose)
    mask = region_of(marks, matrix, 96)
    assert mask.shape == (96, 96)
    assert 0 <= mask.min() <= mask.max() <= 1
    across = (np.flatnonzero(mask.max(axis=0) > 0.02) + 0.5) / 96 * (BOX[2] - BOX[0]) + BOX[0]
    slack = 0.15 if abs(yaw) > 0.6 else 0.02  # a tenth of the picture is always taken to either side
    assert ends[0] - slack < across.min()
    assert across.max() < ends[1] + slack
    near = (mask[:, :48], region(96)[:, :48]) if yaw > 0 else (mask[:, 48:], region(96)[:, 48:])
    assert np.abs(near[0] - near[1]).max() < 0.1
    mirrored = region_of(*mirror(marks, matrix), 96)
    assert np.abs(mirrored[:, ::-1] - mask).max() < 1e-3


def mirror(marks, matrix):
    """The same face in a looking glass: landmarks, and where its picture is."""
    x = np.linalg.inv(matrix[:, :2]) @ (marks - matrix[:, 2]).T
    there = np.stack([95 - x[0], x[1]])[:, [1, 0, 2, 4, 3]]
    return (matrix[:, :2] @ there).T + matrix[:, 2], matrix


def test_without_landmarks_or_in_profile_the_region_is_the_usual():
    matrix = to_crop(track(1).poses[0], BOX, 96)
    assert region_of(None, matrix, 96) is region(96)
    marks, _ = turned_head(1.5, track(1).poses[0])
    assert region_of(marks, matrix, 96) is region(96)


class Boxes:
    """Finds the box it was told, in the picture it is shown; the crop is 200 pixels wide."""

    def __init__(self, *boxes) -> None:
        self.found = [np.array([*box, 0.9], np.float32) for box in boxes]

    def boxes(self, image):
        assert image.shape == (SIDE, SIDE, 3)
        return np.stack(self.found) if self.found else np.zeros((0, 5), np.float32)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        # Pose: face coordinates times 110, moved by (45, 40).
        ([(67, 40, 155, 150)], [0.2, 0.0, 1.0, 1.0]),
        ([(0, 0, 20, 20), (56, 51, 144, 161)], [0.1, 0.1, 0.9, 1.1]),
        ([(0, 0, 20, 20)], [0.115, 0.0, 0.915, 1.03]),
        ([], [0.115, 0.0, 0.915, 1.03]),
    ],
    ids=["one", "the one that fits", "somebody else's", "none"],
)
def test_preparing_measures_where_this_persons_box_is(tmp_path, found, wanted):
    engine = Wav2LipEngine(net=Echo(), finder=Boxes(*found), settings=settings(tmp_path))
    reported = []
    prepared = engine.prepare(track(30), [picture(k) for k in range(30)], reported.append)
    np.testing.assert_allclose(prepared["box"] - [0, 0, 0, PADDING], wanted, atol=1e-5)
    assert reported[-1] == 30
    assert sorted(reported) == reported


def test_a_template_of_one_frame_or_hardly_any_face_can_be_prepared(engine):
    assert not engine.prepare(track(1), [picture()], lambda _done: None)["talks"]
    where = track(20)
    where.found[:] = False
    where.found[7] = True
    prepared = engine.prepare(where, [picture()] * 20, lambda _done: None)
    np.testing.assert_allclose(prepared["box"], BOX)


def test_a_moving_mouth_talks_and_a_trembling_face_does_not():
    random = np.random.default_rng(5)
    base = np.kron(random.integers(60, 200, (16, 16, 3)), np.ones((6, 6, 1))).astype(np.float32)

    def shaken(k):
        move = np.float32([[1, 0, random.normal(0, 0.4)], [0, 1, random.normal(0, 0.4)]])
        return cv2.warpAffine(base, move, (96, 96), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)

    still = [shaken(k) for k in range(30)]
    assert not is_talking(still)
    for k, face in enumerate(still):
        face[66:90, 30:66] = np.roll(face[66:90, 30:66], k % 5, axis=0)
    assert is_talking(still)


@pytest.mark.parametrize(("make", "name"), [(Wav2LipEngine, "wav2lip"), (with_gan, "wav2lip-gan")])
def test_without_weights_the_command_that_gets_them_is_told(make, name, monkeypatch, tmp_path):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    with pytest.raises(BadInput, match=f"lipstream models download {name}$") as missing:
        make()
    assert missing.value.code == "weights_missing"


def test_the_keys_tell_which_variant_a_checkpoint_is():
    with torch.device("meta"):
        for layout in (Layout(96), Layout(256), Layout(288), Layout(288, prelu=True)):
            shapes = {key: tuple(value.shape) for key, value in Wav2Lip(layout).state_dict().items()}
            assert layout_of(shapes) == layout
            made = Wav2Lip(layout)(torch.zeros(2, 1, 80, 16), torch.zeros(2, 6, layout.side, layout.side))
            assert made.shape == (2, 3, layout.side, layout.side)
    with pytest.raises(ValueError, match="0 face encoder blocks; 7"):
        layout_of({"conv.weight": (3, 3)})


@pytest.mark.skipif(not can_pack(), reason="this torch lacks oneDNN")
def test_on_a_cpu_nothing_is_compiled_that_would_be_no_faster(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.compile", lambda *_, **__: pytest.fail("compiled"))
    usual = Wav2LipEngine(net=Echo(), settings=settings(tmp_path))
    asked = Wav2LipEngine(net=Echo(), settings=settings(tmp_path, compile=True))
    pictures = [draw(engine, range(4), sound(1), IDLE)[0] for engine in (usual, asked)]
    assert np.array_equal(*pictures)
    for engine in usual, asked:
        engine.close()


@pytest.mark.parametrize(("face", "yaw"), [(60.0, 0.0), (110.0, 0.5), (180.0, 0.0)])
def test_the_gpus_way_gives_the_cpus_pictures(tmp_path, face, yaw):
    # The same operations on another device; here it is the CPU, where they can be compared anywhere.
    usual = Wav2LipEngine(net=Echo(0.05), settings=settings(tmp_path))
    other = Wav2LipEngine(net=Echo(0.05), settings=settings(tmp_path))
    other._gpu = Retoucher(other.lower, other.side, torch.device("cpu"))
    where = track(12, roll=0.1, face=face)
    where = replace(where, landmarks=np.stack([turned_head(yaw, pose)[0] for pose in where.poses]))
    samples = np.concatenate([sound(0.3), np.zeros(RATE, np.float32)])
    wanted, crops = draw(usual, range(12), samples, IDLE, where=where)
    got, _ = draw(other, range(12), samples, IDLE, where=where)
    assert not np.array_equal(wanted, crops)
    difference = np.abs(got.astype(int) - wanted)
    assert difference.mean() < 0.3
    assert difference.max() <= 12  # along hard edges, where the two ways of shrinking differ


def test_crops_of_several_sizes_can_be_redrawn_together_on_a_gpu(engine):
    engine._gpu = Retoucher(engine.lower, engine.side, torch.device("cpu"))
    small = drawing(engine, range(3), sound(1), TALKS)
    large = replace(small, crops=np.stack([cv2.resize(crop, (300, 300)) for crop in small.crops]))
    made = engine.draw_together([small, large, small])
    assert [image.shape[1] for image in made] == [200, 300, 200]
    assert np.array_equal(made[0], made[2])
    assert not np.array_equal(made[1], large.crops)


@pytest.mark.parametrize("layout", [Layout(96), Layout(256), Layout(288, prelu=True)])
def test_the_lower_half_drawn_alone_is_the_lower_half_of_the_whole(layout):
    torch.manual_seed(1)
    net = Wav2Lip(layout).eval()
    side = layout.side
    sound, faces = torch.randn(2, 1, 80, 16), torch.rand(2, 6, side, side)
    with torch.inference_mode():
        whole, lower = net(sound, faces), net.lower_half(sound, faces)
    torch.testing.assert_close(lower, whole[:, :, side // 2 :], rtol=0, atol=2e-6)


def _truncated(path):
    torch.save({"state_dict": Wav2Lip().state_dict()}, path)
    path.write_bytes(path.read_bytes()[:100_000])


class Harm:
    def __reduce__(self):
        return open, ("harm", "w")


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (_truncated, "may have been cut short"),
        (lambda path: torch.save({"conv3_3_norm.weight": torch.zeros(256)}, path), "an S3FD face detector"),
        (lambda path: path.write_bytes(pickle.dumps({"state_dict": Harm()})), "would run code when read"),
        (lambda path: None, "is missing"),
    ],
    ids=["cut short", "of another network", "a malicious pickle", "missing"],
)
def test_own_weights_that_are_none_are_named_and_nothing_in_them_runs(tmp_path, monkeypatch, write, told):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.pth"
    write(path)
    with pytest.raises(BadInput, match=told):
        Wav2LipEngine(settings=settings(tmp_path, own_weights={"wav2lip": path}))
    assert not (tmp_path / "harm").exists()
