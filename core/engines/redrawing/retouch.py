"""`core.engines.redrawing.face` on a GPU: cut faces out, have them redrawn and lay mouths back, all there.

Crops go up once and come down once, as bytes; what OpenCV does picture by picture on the CPU is grid sampling
here. Results are those of the CPU but for rounding.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from core.engines.redrawing.face import Matrix, outside, shift_scale
from core.types import Image

Lower = Callable[[Sequence[Tensor], Tensor], Tensor]
"""Draws the lower halves of faces, (n, 3, S / 2, S) in 0..1: of what each is drawn from, and of the faces
themselves, (n, 3, S, S) in 0..255, not rounded; all on one device."""


class Retoucher:
    """Cuts out, redraws and puts back on `device`. One thread at a time."""

    def __init__(self, net: Lower, side: int, device: torch.device) -> None:
        """net: draws on `device`, in pictures of `side` pixels."""
        self._net, self._side, self.device = net, side, device
        self._outside = torch.from_numpy(outside(side).copy()).to(device)[None, None]

    def redraw(
        self,
        crops: Image,
        matrices: list[Matrix],
        given: Sequence[NDArray[np.generic]],
        masks: NDArray[np.float32],
    ) -> Image:
        """Return the crops, uint8 (n, h, w, 3), with their mouths redrawn.

        matrices: `face.to_crop` of each. given: what the network draws from: arrays whose
            first axis is as long as that of `crops`. masks: of `face.put_back`.
        """
        with torch.inference_mode():
            made: Image = self._redrawn(crops, matrices, given, masks).cpu().numpy()
        return made

    def _redrawn(
        self,
        crops: Image,
        matrices: list[Matrix],
        given: Sequence[NDArray[np.generic]],
        masks: NDArray[np.float32],
    ) -> Tensor:
        there = self._sent(crops).permute(0, 3, 1, 2).float()
        size = (crops.shape[1], crops.shape[2])
        faces = self._cut(there, matrices)
        lower = self._net([self._sent(array) for array in given], faces) * 255
        faces = faces.round()
        made = torch.cat([faces[:, :, : self._side // 2], lower], dim=2)
        made = made + self._shift(faces, made)
        drawn, alpha = self._laid(made, self._sent(masks)[:, None], matrices, size)
        whole = (there + alpha * (drawn - there) + 0.5).clamp(0, 255).to(torch.uint8)
        return whole.permute(0, 2, 3, 1).contiguous()

    def _sent(self, array: NDArray[np.generic]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == "cuda":  # only from pinned memory does the copy run beside the kernels
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def _cut(self, crops: Tensor, matrices: list[Matrix]) -> Tensor:
        """(n, 3, S, S), 0..255. Where pixels would be skipped, several samples a pixel are averaged."""
        scale = max(float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))) for matrix in matrices)
        fine = max(1, min(8, round(scale)))
        # Pixel k of a picture `fine` times as fine is at (k + 0.5) / fine - 0.5 of the coarse one.
        finer = np.array([[1 / fine, 0, 0.5 / fine - 0.5], [0, 1 / fine, 0.5 / fine - 0.5]])
        both = [_after(matrix, finer) for matrix in matrices]
        grid = self._grid(both, fine * self._side, fine * self._side, crops.shape[2], crops.shape[3])
        sampled = functional.grid_sample(
            crops, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return functional.avg_pool2d(sampled, fine) if fine > 1 else sampled

    def _laid(
        self, made: Tensor, masks: Tensor, matrices: list[Matrix], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Drawn faces and masks where they belong in crops of `size`."""
        back = []
        for matrix in matrices:
            turn = np.linalg.inv(matrix[:, :2])
            back.append(np.column_stack([turn, -turn @ matrix[:, 2]]))
        grid = self._grid(back, size[0], size[1], self._side, self._side)
        drawn = functional.grid_sample(made, grid, padding_mode="border", align_corners=False)
        return drawn, functional.grid_sample(masks, grid, padding_mode="zeros", align_corners=False)

    def _grid(
        self, matrices: list[Matrix], height: int, width: int, source_height: int, source_width: int
    ) -> Tensor:
        """Where each pixel of a (height, width) picture samples its source, in grid_sample's units."""
        matrix = torch.from_numpy(np.stack(matrices).astype(np.float32)).to(self.device)
        rows = torch.arange(height, device=self.device, dtype=torch.float32)
        columns = torch.arange(width, device=self.device, dtype=torch.float32)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        place = torch.stack([x, y, torch.ones_like(x)], dim=-1)  # (h, w, 3)
        pixels = torch.einsum("hwk,nck->nhwc", place, matrix)
        size = torch.tensor([source_width, source_height], device=self.device)
        return (2 * pixels + 1) / size - 1

    def _shift(self, faces: Tensor, made: Tensor) -> Tensor:
        """`face.colour_shift`."""
        small, sigma, limit = shift_scale(self._side)
        weight = functional.adaptive_avg_pool2d(self._outside, small)
        off = functional.adaptive_avg_pool2d((faces - made) * self._outside, small)
        mean = off.sum(dim=(2, 3), keepdim=True) / weight.sum()
        off, weight = _blurred(off, sigma), _blurred(weight, sigma)
        shift = ((off + 0.02 * mean) / (weight + 0.02)).clamp(-limit, limit)
        return functional.interpolate(
            shift, size=(self._side, self._side), mode="bilinear", align_corners=False
        )


def _after(outer: Matrix, inner: Matrix) -> Matrix:
    """The map that does `inner` first, then `outer`."""
    turn = outer[:, :2] @ inner[:, :2]
    return np.column_stack([turn, outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def _blurred(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur as OpenCV's: mirrored at the edge without repeating it."""
    reach = min(round(4 * sigma), x.shape[-1] - 1)
    place = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-(place**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    flat = x.reshape(-1, 1, *x.shape[2:])
    flat = functional.conv2d(functional.pad(flat, (reach, reach, 0, 0), mode="reflect"), kernel)
    flat = functional.conv2d(functional.pad(flat, (0, 0, reach, reach), mode="reflect"), kernel.mT)
    return flat.reshape(x.shape)
