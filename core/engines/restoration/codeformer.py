"""Restore faces with CodeFormer (Zhou et al., NeurIPS 2022) inside the stream."""

from core.engines.compute.checkpoints import Shapes
from core.engines.restoration.engine import PublishedEngine
from core.engines.restoration.masks import with_mouth_of
from core.engines.restoration.network import Restorer
from core.nets.codeformer import CodeFormer, layout_of


def _restoring(shapes: Shapes) -> CodeFormer:
    layout = layout_of(shapes)
    if layout.purpose != "restoration":
        raise ValueError(f"it was trained for {layout.purpose}, not to restore faces")
    return CodeFormer(layout)


class CodeFormerEngine(PublishedEngine[CodeFormer]):
    """A `FaceEnhancer`. Loads weights, lays them out for the device when made."""

    name, about = "codeformer", "a CodeFormer for restoring faces"
    build, run, bend = staticmethod(_restoring), staticmethod(Restorer), staticmethod(with_mouth_of)
