"""What flows between stages.

Time is counted in whole samples and whole frames, never in float seconds. Frame `k` of a video at
`fps` is heard with the samples `[k * rate // fps, (k + 1) * rate // fps)`, so frames tile the audio
exactly at any rate: nothing drifts, whatever the chunk sizes.

Pictures are uint8, channels in OpenCV's order (BGR). Everything here pickles, and a stage never
writes into what it was given: the same stage can run in another process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""uint8 (height, width, 3) BGR, unless a docstring says otherwise."""

Samples = NDArray[np.float32]
"""float32 (n,) mono, in [-1, 1]."""

Arrays = Mapping[str, NDArray[np.generic]]
"""Named arrays, as saved in one .npz file."""


def frame_start(frame: int, rate: int, fps: int) -> int:
    """Index of the first sample heard with `frame`.

    >>> [frame_start(k, 32_000, 30) for k in range(4)]
    [0, 1066, 2133, 3200]
    """
    return frame * rate // fps


def frame_count(samples: int, rate: int, fps: int) -> int:
    """Frames needed to show all of `samples`: the last one may be only partly filled.

    >>> frame_count(22_051, 22_050, 25)
    26
    """
    return -(-samples * fps // rate)


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks: a name from `SpeechEngine.voices`, the languages it reads ("zh", ...), how it sounds.

    quality: "robotic", "natural" or "cloned"; "" where nobody can tell. licence: of what it is made with.
    """

    name: str
    languages: tuple[str, ...]
    about: str = ""
    quality: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of text that is spoken in one breath.

    index: its number in the job, from 0.
    text: as the user wrote it; `start` is the offset of its first character in the job's text.
    spoken: as it is read, numbers in words. `offsets[k]` is the offset in the job's text that
        `spoken[k]` stands for; it has one more entry, the end. It never decreases.
    language: one of `core.text.LANGUAGES`, "zh" say.
    hidden: parts `[start, stop)` of the job's text in the sentence that are markup, neither read nor shown.
    pause: seconds of silence asked for after it.
    actions: (place in the job's text, name) of what the person shall do, with the first word that ends
        behind it.
    """

    index: int
    text: str
    start: int
    spoken: str
    offsets: tuple[int, ...]
    language: str
    hidden: tuple[tuple[int, int], ...] = ()
    pause: float = 0.0
    actions: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Phoneme:
    """A speech sound (IPA; "" is a pause) and the index of its first sample. It lasts until the next one."""

    name: str
    first: int


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word: its first sample, and the part `[start, stop)` of the text that it speaks."""

    first: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """A piece of one sentence's sound, as an engine makes it.

    Positions count from the sentence's first sample; word offsets are into `Sentence.spoken`.
    phonemes: those that begin in this piece, or None from an engine that does not know them.
    retried: why the engine has tried again since the piece before, a word for each time.
    """

    samples: Samples
    phonemes: tuple[Phoneme, ...] | None = None
    words: tuple[Word, ...] = ()
    retried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A run of speech, at most about 200 ms.

    first: index of `samples[0]` in the whole job's audio; so are the positions of phonemes and words.
    phonemes: those that begin in this chunk; None where the voice does not tell.
    words: those that begin in this chunk, with offsets into the job's text.
    sentence: what is being said; None for audio that did not come from text. A sentence's trailing
        pause carries its sentence too.
    retried: why the engine has tried again since the chunk before, a word for each time.
    ahead: what is meant to be heard next, as far as that is known, for the lips alone: it may yet be taken
        back. Silence is taken for what follows it. None: who listens ahead waits for the chunks to come.
    """

    samples: Samples
    rate: int
    first: int
    sentence: Sentence | None = None
    phonemes: tuple[Phoneme, ...] | None = None
    words: tuple[Word, ...] = ()
    retried: tuple[str, ...] = ()
    ahead: tuple["AudioChunk", ...] | None = None


@dataclass(frozen=True, slots=True)
class Speech:
    """What a run of frames listens to: `samples` from absolute index `first` on, silence where there is none.

    phonemes: everything that sounds in this run, the one already sounding at its start included, by
        absolute sample index; None where the voice does not tell.
    """

    samples: Samples
    rate: int
    first: int
    phonemes: tuple[Phoneme, ...] | None = None


@dataclass(frozen=True, slots=True)
class Face:
    """A face found in a picture.

    box: float32 (4,): x, y, width, height in pixels. score: higher is surer; not comparable between finders.
    landmarks: float32 (5, 2): eyes, nose tip, mouth corners (viewer's left first), or None.
    """

    box: NDArray[np.float32]
    score: float
    landmarks: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """Where the face of a template is, frame by frame.

    side: side in pixels of the square crop around the face; even.
    corners: int32 (frames, 2): x, y of the crop's top left corner in its frame; even. The crop lies
        wholly inside the frame.
    poses: float64 (frames, 2, 3): similarity from face coordinates to crop pixels. In face coordinates
        the face box is the unit square, y down; so `poses[k] @ [.5, .79, 1]` is about the mouth.
    found: bool (frames,): False where there is no face; such a frame is shown as it is.
    landmarks: float32 (frames, 5, 2) in crop pixels, or None if the finder gives none.
    shots: int32 (frames,), number of the shot between two cuts; None: all one.
    """

    side: int
    corners: NDArray[np.int32]
    poses: NDArray[np.float64]
    found: NDArray[np.bool_]
    landmarks: NDArray[np.float32] | None = None
    shots: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.found)


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Consecutive video frames, as patches to paste into template frames, and the very audio heard with them.

    first: number of the first frame in the job's video.
    patches: uint8 (n, side, side, 3) BGR: the face crop of each frame, redrawn.
    numbers: int32 (n,): which template frame each patch belongs in; `FaceTrack.corners` says where.
    drawn: bool (n,): False where the frame has no face and its patch means nothing.
    audio: float32 (m,); together the batches' audio is the job's, padded with silence to whole frames.
    """

    first: int
    patches: Image
    numbers: NDArray[np.int32]
    drawn: NDArray[np.bool_]
    audio: Samples
    rate: int

    def __len__(self) -> int:
        return len(self.numbers)


VideoFormat = Literal["mp4", "webm", "mov"]
"""mp4: H.264 and AAC. webm: the person alone, VP9 with alpha, and Opus. mov: the same as ProRes 4444 and PCM,
for editors; it grows as WebM."""

WITH_ALPHA: tuple[VideoFormat, ...] = ("webm", "mov")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of the growing MP4 or WebM; written one after the other they are the file.

    kind: "init" (the head; the first, once), "video" or "audio" (a packet of one track).
    start, duration: in `timescale` units per second; 0 for init. key: a player can begin here.
    frames: video frames inside.
    """

    kind: str
    data: bytes
    start: int = 0
    duration: int = 0
    timescale: int = 1
    key: bool = False
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Cue:
    """A caption: `text` is shown from `start` to `stop`, in samples of the job's audio.

    words: when each part `[start, stop)` of `text` begins to be heard; it is until the next. All of the text
        but white space is in one, and the first begins with the cue.
    language: of the sentence it is from.
    """

    index: int
    start: int
    stop: int
    text: str
    words: tuple[Word, ...] = ()
    language: str = ""
