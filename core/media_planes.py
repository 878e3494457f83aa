"""Planes (`core.planes`) as a frame of PyAV's, for encoders."""

from av.video.frame import VideoFrame

from core.planes import Planes


def wrapped(planes: Planes) -> VideoFrame:
    """The frame; it may share the memory of `planes`, and is not written to."""
    # PyAV 18 counts the lines of a shared yuv420p buffer in fours: of 270 it shows 268, colours two off.
    if planes.shape[0] * 2 // 3 % 4:
        return VideoFrame.from_ndarray(planes, "yuv420p")
    return VideoFrame.from_numpy_buffer(planes, "yuv420p")
