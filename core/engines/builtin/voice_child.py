"""The process that speaks: eSpeak NG behind a pipe, alone, so that neither a crash nor its licence (GPL-3.0)
reaches the program that asks. Started by `core.engines.builtin.voice` as `python -m` this module.

Reads orders from standard input and answers on standard output, one after the other; ends with its input.

    order:   length (u32, little endian), then JSON {text, voice, speed (words a minute), pitch (0-99)}
    answer:  length, JSON {rate, samples, phonemes: [[ms, ipa]], words: [[ms, start, length]]} or {error},
             then `samples` numbers, int16 little endian

eSpeak keeps its state in globals, and only one that has not spoken yet says the same thing the same way. So
this process loads the library, and every text is spoken by a fork of it. (Where there is no fork it speaks
itself, and the same text may come out a few samples longer the second time.) It imports nothing of ours and
nothing heavy: it starts in 50 ms.
Learnt from eSpeak NG's speak_lib.h (https://github.com/espeak-ng/espeak-ng).
"""

import ctypes
import json
import os
import struct
import sys
from typing import Any, BinaryIO

import espeakng_loader

_SYNCHRONOUS, _BUFFER_MS = 2, 60
_PHONEME_EVENTS, _IPA, _DO_NOT_EXIT = 1, 2, 0x8000
_RATE, _PITCH = 1, 3
_UTF8, _END_PAUSE = 1, 0x1000
_SEED = 1
_LIST_END, _WORD, _PHONEME = 0, 1, 7


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("uid", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Heard:
    """What one text sounded like."""

    def __init__(self) -> None:
        self.sound = bytearray()
        self.phonemes: list[tuple[int, str]] = []
        self.words: list[tuple[int, int, int]] = []

    def take(self, wave: Any, count: int, events: Any) -> int:
        """eSpeak's callback. Nothing may be raised through it."""
        if wave and count > 0:
            self.sound += ctypes.string_at(wave, 2 * count)
        index = 0
        while events[index].type != _LIST_END:
            event = events[index]
            if event.type == _PHONEME:
                self.phonemes.append((event.audio_position, event.id.string.decode("utf-8", "replace")))
            elif event.type == _WORD:
                self.words.append((event.audio_position, event.text_position - 1, event.length))
            index += 1
        return 0


def load() -> tuple[ctypes.CDLL, int]:
    """The library, ready to speak, and its sample rate."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    options = _PHONEME_EVENTS | _IPA | _DO_NOT_EXIT
    data = espeakng_loader.get_data_path().encode()
    rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data, options)
    if rate <= 0:
        sys.exit("eSpeak NG did not start")
    library.espeak_ng_SetRandSeed(_SEED)  # or it takes the time of day, and the voice flutters otherwise
    return library, rate


def speak(library: ctypes.CDLL, rate: int, order: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The answer to an order, and its samples."""
    heard = _Heard()
    callback = _Callback(heard.take)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(order["voice"].encode()):
        return {"error": f"eSpeak NG has no voice {order['voice']}"}, b""
    library.espeak_SetParameter(_RATE, order["speed"], 0)
    library.espeak_SetParameter(_PITCH, order["pitch"], 0)
    text = order["text"].encode() + b"\0"
    size = ctypes.c_size_t(len(text))
    status = library.espeak_Synth(ctypes.c_char_p(text), size, 0, 1, 0, _UTF8 | _END_PAUSE, None, None)
    if status:
        return {"error": f"eSpeak NG failed with status {status}"}, b""
    head = {"rate": rate, "samples": len(heard.sound) // 2, "phonemes": heard.phonemes, "words": heard.words}
    return head, bytes(heard.sound)


def answer(library: ctypes.CDLL, rate: int, order: dict[str, Any], answers: BinaryIO) -> None:
    """Speak one order and write the answer."""
    head, sound = speak(library, rate, order)
    encoded = json.dumps(head).encode()
    answers.write(struct.pack("<I", len(encoded)) + encoded + sound)
    answers.flush()


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Answer orders until there are no more, or until one cannot be answered."""
    library, rate = load()
    while len(length := orders.read(4)) == 4:
        order = json.loads(orders.read(struct.unpack("<I", length)[0]))
        if not hasattr(os, "fork"):  # pragma: no cover  # Windows
            answer(library, rate, order, answers)
        elif child := os.fork():
            if os.waitpid(child, 0)[1]:
                sys.exit("eSpeak NG died")  # its answer may be half written: the asker must start anew
        else:
            _alone(library, rate, order, answers)


def _alone(library: ctypes.CDLL, rate: int, order: dict[str, Any], answers: BinaryIO) -> None:
    """Answer in a fork, and never come back from it."""
    status = 1
    try:
        answer(library, rate, order, answers)
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
