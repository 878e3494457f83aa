"""Turn a growing run of semantic tokens into sound, at a cost linear in its length.

Tokens become latents in windows: a window decodes the tokens that are new, with some before them for context
and some after them to look ahead at. Which windows there are depends on the number of tokens alone, never on
how they came. Where two windows meet, their latents are faded into each other; the generator then runs over
the latents as one stream, so there is no joint in the sound at all and no latent is generated twice.
"""

import math

import numpy as np
import torch
from torch import Tensor

from core.engines.compute.threads import undivided
from core.errors import Error
from core.nets.gpt_sovits.generator import GeneratorStream
from core.nets.gpt_sovits.sovits import FRAMES_PER_TOKEN, SAMPLES_PER_FRAME, Synthesizer
from core.types import Samples

FIRST, SECOND, LATER = 20, 24, 50
"""Tokens that the first window, the second and each later one add: sound soon at first, then cheaply."""

CONTEXT = 50
"""Tokens before its own that a window sees: 2 s."""

AHEAD = 6
"""Tokens after its own that a window sees: 240 ms, which the sound lags behind the tokens."""

FADE = 4
"""Frames over which the latents of two windows are faded into each other."""

NOISE = 0.5
"""Of the prior's deviation (`noise_scale` of the published code)."""


def stops(count: int) -> int:
    """The number of tokens at which the window after `count` tokens closes.

    >>> [stops(n) for n in (0, 19, 20, 44, 93, 94)]
    [20, 20, 44, 94, 94, 144]
    """
    if count < FIRST:
        return FIRST
    if count < FIRST + SECOND:
        return FIRST + SECOND
    past = count - FIRST - SECOND
    return FIRST + SECOND + (past // LATER + 1) * LATER


class Vocoder:
    """The sound of one sentence, piece by piece.

    phones: int64 (N,), those of the sentence alone. voice: (1, G, 1), of `Synthesizer.voice`.
    speed: 1 is 640 samples a frame, two frames a token; the pitch stays. noise: of the prior, 0 for none.
    """

    def __init__(
        self,
        net: Synthesizer,
        phones: Tensor,
        voice: Tensor,
        *,
        seed: int = 0,
        speed: float = 1.0,
        noise: float = NOISE,
    ) -> None:
        self._net = net
        self._voice = voice
        self._speed = speed
        self._noise_scale = noise
        self._generator = torch.Generator().manual_seed(seed)
        self._noise = torch.zeros(1, net.latent, 0)
        self._codes: list[int] = []
        self._seen = 0  # tokens that windows have closed over
        self._done = 0  # tokens whose latents are settled
        self._tail: Tensor | None = None  # what the last window made of the frames after those
        with torch.inference_mode(), undivided():
            self._text = net.enc_p.text(phones)
            self._stream = GeneratorStream(net.dec, voice)

    @property
    def tokens(self) -> tuple[int, ...]:
        """Those it was given."""
        return tuple(self._codes)

    @property
    def wanted(self) -> int:
        """How many tokens it must have been given in all before there is more sound, unless they end."""
        return stops(self._seen) + 1

    def push(self, tokens: list[int], last: bool = False) -> Samples:
        """The sound that can be given with these further tokens: float32 (m,) at 32 kHz in [-1, 1].

        All pieces together are 1280 samples a token at speed 1.
        """
        return self.generate(self.latents(tokens, last), last)

    @torch.inference_mode()
    def latents(self, tokens: list[int], last: bool = False) -> Tensor:
        """Settled latents (1, C, n) of the windows that close with these further tokens; for `generate`."""
        self._codes += tokens
        settled = []
        # Not before a token more is there: a window at the very end has nothing to look ahead at.
        while (stop := stops(self._seen)) < len(self._codes):
            settled.append(self._window(stop, ends=False))
            self._seen = stop
        if last and self._done < len(self._codes):
            settled.append(self._window(len(self._codes), ends=True))
        return torch.cat(settled, dim=2) if settled else self._noise[:, :, :0]

    @torch.inference_mode()
    def generate(self, latents: Tensor, last: bool = False) -> Samples:
        """Sound of the next settled latents."""
        if latents.shape[2] == 0 and not last:
            return np.zeros(0, np.float32)
        samples: Samples = self._stream.push(latents.to(self._voice.device), last).cpu().numpy()
        if not np.isfinite(samples).all():
            raise Error("the SoVITS network gave numbers that are not finite: a damaged checkpoint?")
        return samples

    @undivided()
    def _window(self, stop: int, ends: bool) -> Tensor:
        """Latents of the tokens from the last window's to `stop`, less those it only looks ahead at."""
        begin = max(0, self._done - CONTEXT)
        settled = stop if ends else stop - AHEAD
        codes = torch.tensor(self._codes[begin:stop], device=self._voice.device)
        features = self._net.features(codes, self._text, self._voice)
        first = self._frame(begin)
        frames = self._frame(stop, ends)
        # The flow looks less far back than the encoder does.
        done = self._frame(self._done)
        near = max(first, done - self._net.flow.reach)
        prior = self._net.split(self._paced(features, begin, first, frames))
        mean, deviation = (part[:, :, near - first :] for part in prior)
        noise = self._drawn(frames)[:, :, near:].to(mean.device) * self._noise_scale
        latents = self._net.flow(mean + noise * deviation.exp(), self._voice)
        start, end = done - near, self._frame(settled, ends) - near
        fresh = self._faded(latents[:, :, start:end])
        self._tail = latents[:, :, end : end + FADE]
        self._done = settled
        return fresh

    def _frame(self, token: int, ends: bool = False) -> int:
        """The first frame of a token; of the one after the last, if it `ends`, how many there are."""
        frames = token * FRAMES_PER_TOKEN
        if self._speed == 1.0:
            return frames
        return int(frames / self._speed) + (1 if ends else 0)

    def _paced(self, features: Tensor, begin: int, first: int, stop: int) -> Tensor:
        """Features of the output's frames first ... stop, of those from token `begin` on at speed 1."""
        if self._speed == 1.0:
            return features
        place = (torch.arange(first, stop, device=features.device) + 0.5) * self._speed - 0.5
        place = (place - begin * FRAMES_PER_TOKEN).clamp(0, features.shape[2] - 1)
        left = place.floor().long()
        right = (left + 1).clamp_max(features.shape[2] - 1)
        return torch.lerp(features[:, :, left], features[:, :, right], place - left)

    def _drawn(self, frames: int) -> Tensor:
        """The sentence's noise (1, C, frames), drawn in equal blocks so that it is the same however cut."""
        while self._noise.shape[2] < frames:
            block = torch.randn(1, self._net.latent, LATER, generator=self._generator)
            self._noise = torch.cat([self._noise, block], dim=2)
        return self._noise[:, :, :frames]

    def _faded(self, fresh: Tensor) -> Tensor:
        if self._tail is None or (count := min(self._tail.shape[2], fresh.shape[2])) == 0:
            return fresh
        rise = torch.sin(torch.arange(1, count + 1, device=fresh.device) / (count + 1) * (math.pi / 2)) ** 2
        head = torch.lerp(self._tail[:, :, :count], fresh[:, :, :count], rise)
        return torch.cat([head, fresh[:, :, count:]], dim=2)


def length(tokens: int, speed: float = 1.0) -> int:
    """Samples of a sentence of so many tokens."""
    frames = tokens * FRAMES_PER_TOKEN
    return (frames if speed == 1.0 else int(frames / speed) + 1) * SAMPLES_PER_FRAME
