"""Wav2Lip's generator (Prajwal et al., ACM MM 2020, https://arxiv.org/abs/2008.10010).

Parameter names are those of the published checkpoints (github.com/Rudrabha/Wav2Lip, research and personal use
only). The 256 px variant follows github.com/lipku/LiveTalking (Apache-2.0), the 288 px one
github.com/primepake/wav2lip_288x288; which one a checkpoint is, its keys tell: `layout_of`.

Letters in shapes: B batch, S the side of the face picture (96, 256 or 288).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

MEL_BANDS, MEL_COLUMNS = 80, 16
"""Size of the spectrogram window one frame is drawn from."""

# A convolution: channels in, out, kernel, stride, padding; and how many residual units follow it.
Row = tuple[int, int, int, int, int, int]
# The same for a transposed convolution, its output padding before the units.
UpRow = tuple[int, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which variant of the network: side of its pictures in pixels, and PReLU where the original has ReLU."""

    side: int = 96
    prelu: bool = False


_DOWN_96: list[list[Row]] = [
    [(6, 16, 7, 1, 3, 0)],  # 96
    [(16, 32, 3, 2, 1, 2)],  # 48
    [(32, 64, 3, 2, 1, 3)],  # 24
    [(64, 128, 3, 2, 1, 2)],  # 12
    [(128, 256, 3, 2, 1, 2)],  # 6
    [(256, 512, 3, 2, 1, 1)],  # 3
    [(512, 512, 3, 1, 0, 0), (512, 512, 1, 1, 0, 0)],  # 1
]
_UP_96: list[UpRow] = [
    (1024, 512, 3, 1, 0, 0, 1),  # 3
    (1024, 512, 3, 2, 1, 1, 2),  # 6
    (768, 384, 3, 2, 1, 1, 2),  # 12
    (512, 256, 3, 2, 1, 1, 2),  # 24
    (320, 128, 3, 2, 1, 1, 2),  # 48
    (160, 64, 3, 2, 1, 1, 2),  # 96
]
_DOWN = {
    96: _DOWN_96,
    256: [
        *_DOWN_96[:6],  # 256 ... 8
        [(512, 512, 3, 2, 1, 1)],  # 4
        [(512, 512, 4, 1, 0, 0), (512, 512, 1, 1, 0, 0)],  # 1
    ],
    288: [
        [(6, 16, 7, 1, 3, 0)],  # 288
        [(16, 32, 5, 2, 2, 1)],  # 144
        [(32, 32, 3, 2, 1, 2)],  # 72
        *_DOWN_96[2:6],  # 36, 18, 9, 5
        [(512, 512, 3, 1, 0, 0), (512, 512, 1, 1, 0, 0)],  # 3
        [(512, 512, 3, 1, 0, 0), (512, 512, 1, 1, 0, 0)],  # 1
    ],
}
_UP = {
    96: _UP_96,
    256: [
        (1024, 512, 4, 1, 0, 0, 1),  # 4
        (1024, 512, 3, 2, 1, 1, 1),  # 8
        *_UP_96[1:],  # 16 ... 256
    ],
    288: [
        (1024, 512, 3, 1, 0, 0, 1),  # 3
        (1024, 512, 3, 2, 1, 0, 2),  # 5
        (1024, 512, 3, 2, 1, 0, 2),  # 9
        (768, 384, 3, 2, 1, 1, 2),  # 18
        (512, 256, 3, 2, 1, 1, 2),  # 36
        (320, 128, 3, 2, 1, 1, 2),  # 72
        (160, 64, 3, 2, 1, 1, 2),  # 144
        (96, 64, 3, 2, 1, 1, 2),  # 288
    ],
}
_AUDIO: list[tuple[int, int, int, int | tuple[int, int], int, int]] = [
    (1, 32, 3, 1, 1, 2),  # 80 x 16
    (32, 64, 3, (3, 1), 1, 2),  # 27 x 16
    (64, 128, 3, 3, 1, 2),  # 9 x 6
    (128, 256, 3, (3, 2), 1, 1),  # 3 x 3
    (256, 512, 3, 1, 0, 0),  # 1 x 1
    (512, 512, 1, 1, 0, 0),
]


class Unit(nn.Module):
    """Convolution, batch norm, the input added where `residual`, activation."""

    def __init__(
        self, convolution: nn.Module, channels: int, *, residual: bool = False, prelu: bool = False
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(convolution, nn.BatchNorm2d(channels))
        self.act = nn.PReLU() if prelu else nn.ReLU()
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_block(x)
        y = self.act(y + x if self.residual else y)
        return y


def _residual(channels: int, count: int, prelu: bool) -> list[Unit]:
    return [
        Unit(nn.Conv2d(channels, channels, 3, 1, 1), channels, residual=True, prelu=prelu)
        for _ in range(count)
    ]


def _down(rows: list[Row], prelu: bool) -> nn.Sequential:
    units: list[Unit] = []
    for cin, cout, kernel, stride, padding, count in rows:
        units.append(Unit(nn.Conv2d(cin, cout, kernel, stride, padding), cout, prelu=prelu))
        units += _residual(cout, count, prelu)
    return nn.Sequential(*units)


def _up(row: UpRow, prelu: bool) -> nn.Sequential:
    cin, cout, kernel, stride, padding, output, count = row
    grow = nn.ConvTranspose2d(cin, cout, kernel, stride, padding, output)
    return nn.Sequential(Unit(grow, cout, prelu=prelu), *_residual(cout, count, prelu))


class Wav2Lip(nn.Module):
    """A face and a window of sound in, the face saying it out."""

    def __init__(self, layout: Layout | None = None) -> None:
        super().__init__()
        self.layout = layout = layout or Layout()
        prelu = layout.prelu
        self.face_encoder_blocks = nn.ModuleList(_down(rows, prelu) for rows in _DOWN[layout.side])
        audio: list[Unit] = []
        for cin, cout, kernel, stride, padding, count in _AUDIO:
            audio.append(Unit(nn.Conv2d(cin, cout, kernel, stride, padding), cout, prelu=prelu))
            audio += _residual(cout, count, prelu)
        self.audio_encoder = nn.Sequential(*audio)
        self.face_decoder_blocks = nn.ModuleList(
            [_down([(512, 512, 1, 1, 0, 0)], prelu), *(_up(row, prelu) for row in _UP[layout.side])]
        )
        last = Unit(nn.Conv2d(80, 32, 3, 1, 1), 32, prelu=prelu)
        self.output_block = nn.Sequential(last, nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        """Return the faces redrawn, (B, 3, S, S) in 0..1.

        mel: (B, 1, 80, 16), in -4..4. faces: (B, 6, S, S) in 0..1: the face with its lower half black, then
        the whole face. Channels are BGR.
        """
        features = self.encode_faces(faces)
        x: Tensor = self.audio_encoder(mel)  # (B, 512, 1, 1)
        for block in self.face_decoder_blocks:
            x = torch.cat((block(x), features.pop()), dim=1)
        x = self.output_block(x)
        return x

    def lower_half(self, mel: Tensor, faces: Tensor) -> Tensor:
        """The lower half of what `forward` returns, (B, 3, S / 2, S), the same but for rounding.

        Takes two thirds of the work: of every map only the rows are computed that the lower half depends on.
        """
        features = self.encode_faces(faces)
        x: Tensor = self.audio_encoder(mel)
        start = 0  # row of the whole map that is the first of x
        for block, first in zip(self.face_decoder_blocks, first_rows(self.layout), strict=True):
            x = block(x[:, :, first - start :])
            start = 2 * first
            x = torch.cat((x, features.pop()[:, :, start:]), dim=1)
        x = self.output_block(x)
        return x[:, :, self.layout.side // 2 - start :]

    def encode_faces(self, faces: Tensor) -> list[Tensor]:
        """What each encoder block makes of (B, 6, S, S), finest first."""
        features = []
        for block in self.face_encoder_blocks:
            faces = block(faces)
            features.append(faces)
        return features


class LowerHalf(nn.Module):
    """A generator of which only the lower half of the picture is wanted: `Wav2Lip.lower_half`."""

    def __init__(self, net: Wav2Lip) -> None:
        super().__init__()
        self.net = net

    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        return self.net.lower_half(mel, faces)


def first_rows(layout: Layout) -> list[int]:
    """For each decoder block the first row of its input that the lower half of the picture depends on.

    A 3x3 convolution over rows that begin too late is wrong in its first row, so every one costs a row more.

    >>> first_rows(Layout(96))
    [0, 0, 0, 1, 4, 10, 22]
    """
    needed = layout.side // 2 - 1  # the output block has one
    rows = []
    for *_, stride, _padding, _output, units in reversed(_UP[layout.side]):
        # Row i of a map becomes rows 2 i and after; up to there nothing is lost.
        needed = max(0, (needed - units) // 2) if stride == 2 else 0
        rows.append(needed)
    return [0, *reversed(rows)]


def layout_of(shapes: Mapping[str, tuple[int, ...]]) -> Layout:
    """The variant that a state dict with these shapes belongs to.

    Raises ValueError, saying what it has instead, if it is no Wav2Lip generator.
    """
    blocks = 0
    while f"face_encoder_blocks.{blocks}.0.conv_block.0.weight" in shapes:
        blocks += 1
    side = {7: 96, 8: 256, 9: 288}.get(blocks)
    if side is None:
        raise ValueError(f"{blocks} face encoder blocks; 7 (96 px), 8 (256 px) or 9 (288 px) expected")
    return Layout(side, prelu=any(key.endswith(".act.weight") for key in shapes))
