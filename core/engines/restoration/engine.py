"""Restore faces inside the stream, whichever network does it.

Other than in the networks' own inference scripts, no face is looked for in any output frame: where it lies,
what of it is skin and which codes it has is learnt once from the template. Per frame one aligned face goes
through the network and is laid back over the patch, nothing else.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from core.engines.compute.checkpoints import Shapes, load_net
from core.engines.compute.devices import device_of, dtype_of
from core.engines.face.network import FaceNetwork
from core.engines.face.retinaface import RetinaFaceFinder
from core.engines.neural import NeuralSettings
from core.engines.restoration.ffhq import alignments, cut, lay
from core.engines.restoration.masks import skin, square
from core.engines.restoration.parsing import Parser
from core.protocols import FIDELITY
from core.tracking.pose import placed
from core.types import Arrays, Face, FaceTrack, Image
from core.weights.files import locate

N = TypeVar("N", bound=torch.nn.Module)

_EVERY = 5
"""Every how many frames a template is looked at in `prepare`; between them masks change gradually."""


class LandmarkFinder(Protocol):
    """Finds faces with landmarks; RetinaFace does."""

    def find(self, image: Image) -> Sequence[Face]:
        """Faces in `image`."""
        ...


class FaceParser(Protocol):
    """Tells which pixels of an aligned face (S, S, 3) are what: ParseNet's labels (n, n)."""

    def __call__(self, face: Image) -> NDArray[np.integer]: ...


class RestoringEngine:
    """A `FaceEnhancer` around a network."""

    def __init__(
        self,
        version: str,
        network: FaceNetwork,
        towards: Callable[[Image, Image, float], Image],
        parser: FaceParser | None,
        finder: LandmarkFinder | None,
    ) -> None:
        """version: the network's. towards: the restored face (S, S, 3) bent towards the given one as far as
        the fidelity says, beyond what the network does itself.

        parser: without one all of the aligned face but a soft rim is taken. finder: for templates whose track
        has no landmarks.
        """
        self._network, self._towards = network, towards
        self.batch = network.batch
        self._parser, self._finder = parser, finder
        extras = {"skin": parser, "landmarks": finder}
        self.version = "+".join([version, *(name for name, part in extras.items() if part)])

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """Learn where the face lies, what of it is skin and which codes the network chooses.

        matrices: float64 (frames, 2, 3), `core.engines.restoration.ffhq`. looked: int32 (m,), frames looked
        at. masks: uint8 (m, 128, 128) and codes: int16 (m, T), of those.
        """
        looked = np.flatnonzero(track.found)[::_EVERY]
        matrices = alignments(track, self._landmarks(track, crops, looked))
        masks = np.empty((len(looked), *square().shape), np.uint8)
        codes = np.zeros((len(looked), self._network.places), np.int16)
        before = None
        for k, frame in enumerate(looked.tolist()):
            face = cut(crops[frame], matrices[frame], self._network.side)
            masks[k] = square() if self._parser is None else skin(self._parser(face))
            before = codes[k] = self._network.codes(face[None], before)
            report(frame + 1)
        report(len(track))
        return {"matrices": matrices, "looked": looked.astype(np.int32), "masks": masks, "codes": codes}

    def enhance(
        self,
        patches: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
        fidelity: float = FIDELITY,
        onto: Image | None = None,
    ) -> Image:
        """As `FaceEnhancer.enhance`; patches of frames without a face come back as they are."""
        out = (patches if onto is None else onto).copy()
        at = [k for k, number in enumerate(numbers) if track.found[number]]
        if not at:
            return out
        matrices = np.asarray(prepared["matrices"], np.float64)
        faces = np.stack([cut(patches[k], matrices[numbers[k]], self._network.side) for k in at])
        nearest = [_nearest(prepared, numbers[k]) for k in at]
        restored = self._network.restore(faces, np.asarray(prepared["codes"], np.int16)[nearest], fidelity)
        for k, given, made in zip(at, faces, restored, strict=True):
            face = self._towards(made, given, fidelity)
            lay(out[k], face, mask_at(prepared, numbers[k]), matrices[numbers[k]])
        return out

    def _landmarks(
        self, track: FaceTrack, crops: Sequence[Image], looked: NDArray[np.intp]
    ) -> list[tuple[int, NDArray[np.float32]]]:
        """Landmarks by frame, for a track without any; none where the face is not found again."""
        if track.landmarks is not None or self._finder is None:
            return []
        seen = []
        for frame in looked.tolist():
            pose = track.poses[frame]
            middle, width = placed(pose, np.array([[0.5, 0.55]]))[0], np.hypot(pose[0, 0], pose[1, 0])
            for face in self._finder.find(crops[frame]):
                if face.landmarks is None:
                    continue
                if np.hypot(*(face.landmarks.mean(axis=0) - middle)) < 0.25 * width:
                    seen.append((frame, face.landmarks))
                    break
        return seen


class PublishedEngine(RestoringEngine, Generic[N]):
    """One whose network is published. Its classes say which, and how it is built, run and bent towards faces.

    name: of its weights, like "codeformer". about: what may be loaded as such, for people.
    """

    name: ClassVar[str]
    about: ClassVar[str]

    @staticmethod
    @abstractmethod
    def build(shapes: Shapes) -> N:
        """The network that weights of these shapes are for. Raises ValueError if there is none."""

    @staticmethod
    @abstractmethod
    def run(net: N, device: torch.device, dtype: torch.dtype) -> FaceNetwork:
        """The network, laid out for the device."""

    @staticmethod
    @abstractmethod
    def bend(restored: Image, given: Image, share: float) -> Image:
        """The restored face (S, S, 3) bent towards the given one, beyond what the network does itself.

        share: the fidelity, 0 to 1.
        """

    def __init__(
        self,
        *,
        net: N | None = None,
        parser: FaceParser | None = None,
        finder: LandmarkFinder | None = None,
        settings: NeuralSettings | None = None,
    ) -> None:
        """Load the published weights, and parser and finder if theirs are there, unless a `net` is given;
        lay them out for the device.

        Raises BadInput where weights are missing or wrong, or the device is unknown.
        """
        settings = settings or NeuralSettings()
        device = device_of(settings.device)
        dtype = dtype_of(settings.precision, device)
        if net is None:
            path = locate(self.name, settings.weights_dir, settings.own_weights)
            net = load_net(path, self.about, self.build)
            there = settings.weights()
            parser = Parser.load(settings, device, dtype) if "parsenet" in there else None
            finder = RetinaFaceFinder() if "retinaface" in there else None
        super().__init__(f"{self.name}/1", self.run(net, device, dtype), self.bend, parser, finder)


def mask_at(prepared: Arrays, number: int) -> NDArray[np.uint8]:
    """How much of the face is taken in template frame `number`: between frames looked at, some of both."""
    looked, masks = np.asarray(prepared["looked"]), np.asarray(prepared["masks"], np.uint8)
    after = int(np.searchsorted(looked, number))
    if after == len(looked) or looked[after] == number or after == 0:
        return np.asarray(masks[min(after, len(looked) - 1)])
    share = (number - looked[after - 1]) / (looked[after] - looked[after - 1])
    mixed = masks[after - 1] * (1 - share) + masks[after] * share
    return np.asarray(np.rint(mixed), np.uint8)


def _nearest(prepared: Arrays, number: int) -> int:
    return int(np.abs(np.asarray(prepared["looked"], np.int64) - number).argmin())
