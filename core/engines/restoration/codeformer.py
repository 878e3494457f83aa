"""Restore faces with CodeFormer (Zhou et al., NeurIPS 2022) inside the stream."""

from core.engines.compute.checkpoints import Shapes, load_net
from core.engines.compute.devices import device_of, dtype_of
from core.engines.neural import NeuralSettings
from core.engines.restoration.engine import FaceParser, LandmarkFinder, RestoringEngine, companions
from core.engines.restoration.masks import with_mouth_of
from core.engines.restoration.network import Restorer
from core.nets.codeformer import CodeFormer, layout_of
from core.weights.files import locate


class CodeFormerEngine(RestoringEngine):
    """A `FaceEnhancer`. Loads weights, lays them out for the device when made."""

    def __init__(
        self,
        *,
        net: CodeFormer | None = None,
        parser: FaceParser | None = None,
        finder: LandmarkFinder | None = None,
        settings: NeuralSettings | None = None,
    ) -> None:
        """Load the published weights, and parser and finder if theirs are there, unless a `net` is given.

        Raises BadInput where weights are missing or wrong, or the device is unknown.
        """
        settings = settings or NeuralSettings()
        device = device_of(settings.device)
        dtype = dtype_of(settings.precision, device)
        if net is None:
            path = locate("codeformer", settings.weights_dir, settings.own_weights)
            net = load_net(path, "a CodeFormer for restoring faces", _restoring)
            parser, finder = companions(settings, device, dtype)
        super().__init__("codeformer/1", Restorer(net, device, dtype), with_mouth_of, parser, finder)


def _restoring(shapes: Shapes) -> CodeFormer:
    layout = layout_of(shapes)
    if layout.purpose != "restoration":
        raise ValueError(f"it was trained for {layout.purpose}, not to restore faces")
    return CodeFormer(layout)
