"""The small networks that come with the product, run by OpenCV's own importer; see SOURCES.md beside them."""

import hashlib
from importlib.resources import files

import cv2

from core.errors import EngineUnavailable

MESH, NEAR_FACES, FAR_FACES, SELFIE = (
    "face_landmark.tflite",
    "face_detection_short_range.tflite",
    "face_detection_full_range.tflite",
    "selfie_segmentation.tflite",
)
SHA256 = {
    FAR_FACES: "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    NEAR_FACES: "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    MESH: "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    SELFIE: "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
}


def stored(file: str) -> bytes:
    """What is in `file` of this folder. Raises OSError."""
    return (files(__name__) / file).read_bytes()


def network(file: str) -> cv2.dnn.Net:
    """The network in `file`, ready to run; not to be shared between threads.

    Raises EngineUnavailable where the file is not there or not as it was shipped, or OpenCV cannot read it
    (before 4.8 it had no importer for TFLite).
    """
    name = file.removesuffix(".tflite").replace("_", " ")
    if not hasattr(cv2, "dnn") or not hasattr(cv2.dnn, "readNetFromTFLite"):
        raise EngineUnavailable(
            name, ["OpenCV's importer for TFLite"], "install opencv-python-headless>=4.8,<5"
        )
    try:
        data = stored(file)
    except OSError as error:
        raise EngineUnavailable(name, [f"core/models/{file}"], "install lipstream again") from error
    if hashlib.sha256(data).hexdigest() != SHA256[file]:
        raise EngineUnavailable(name, [f"an undamaged core/models/{file}"], "install lipstream again")
    try:
        return cv2.dnn.readNetFromTFLite(bytearray(data))  # type: ignore[call-overload, no-any-return]  # the stub wants a path
    except cv2.error as error:
        remedy = "install another opencv-python-headless>=4.8,<5"
        raise EngineUnavailable(name, [f"an OpenCV that reads {file}"], remedy) from error


def unavailable(file: str) -> str | None:
    """Why the network in `file` cannot be used here; None if it can."""
    try:
        network(file)
    except EngineUnavailable as error:
        return str(error)
    return None
