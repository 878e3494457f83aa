"""The process that speaks: eSpeak NG behind a pipe, alone, so that neither a crash nor its licence (GPL-3.0)
reaches the program that asks.

Run as a script: `python child.py LIBRARY DATA`. It reads orders from standard input and answers on
standard output, one after the other, and ends with its input. Numbers are little endian:

    order:   ORDER (words a minute, pitch 0-99, volume 0-200, seed, length of voice, length of text), then
             voice and text in UTF-8
    answer:  ANSWER (length of an error message or 0, sample rate, how many samples, phonemes, words), then
             the message in UTF-8, or the samples (int16), the phonemes (PHONEME: first sample, IPA in UTF-8
             padded with zeros) and the words (WORD: first sample, place of the first character in the text)

eSpeak keeps its state in globals, leaks a little, and takes its noise from the time of day if it is not given
a seed: only one that has not spoken yet says the same text the same way. So this process loads the library,
and every text is spoken by a fork of it. (Where there is no fork it speaks itself, and the same text may come
out a few samples longer the second time.) It imports nothing of ours and little else, and runs without
`site`: it starts in 20 ms.
Learnt from eSpeak NG's speak_lib.h (https://github.com/espeak-ng/espeak-ng).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

TYPE_CHECKING = False  # typing.TYPE_CHECKING without loading typing
if TYPE_CHECKING:
    from typing import Any, BinaryIO

ORDER = struct.Struct("<6I")
ANSWER = struct.Struct("<5I")
PHONEME = struct.Struct("<i8s")
WORD = struct.Struct("<2i")

LONGEST_S = 30
"""A text takes a thousandth of its length; one that takes this long never ends."""

_SYNCHRONOUS, _BUFFER_MS = 2, 60
_PHONEME_EVENTS, _IPA, _DO_NOT_EXIT = 1, 2, 0x8000
_RATE, _VOLUME, _PITCH = 1, 2, 3
_UTF8, _PHONEMES_IN_BRACKETS, _END_PAUSE = 1, 0x100, 0x1000
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
        self.phonemes: list[bytes] = []
        self.words: list[bytes] = []

    def take(self, wave: Any, count: int, events: Any) -> int:
        """eSpeak's callback. Nothing may be raised through it."""
        if wave and count > 0:
            self.sound += ctypes.string_at(wave, 2 * count)
        index = 0
        while events[index].type != _LIST_END:
            event = events[index]
            if event.type == _PHONEME:
                self.phonemes.append(PHONEME.pack(event.sample, event.id.string))
            elif event.type == _WORD:
                self.words.append(WORD.pack(event.sample, event.text_position - 1))
            index += 1
        return 0

    def answer(self, rate: int) -> bytes:
        """All of it, as it goes through the pipe."""
        head = ANSWER.pack(0, rate, len(self.sound) // 2, len(self.phonemes), len(self.words))
        return b"".join([head, self.sound, *self.phonemes, *self.words])


def load(path: str, data: str) -> tuple[ctypes.CDLL, int]:
    """The library, ready to speak, and its sample rate."""
    library = ctypes.CDLL(path)
    options = _PHONEME_EVENTS | _IPA | _DO_NOT_EXIT
    rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data.encode(), options)
    if rate <= 0:
        sys.exit("eSpeak NG did not start")
    return library, rate


def speak(library: ctypes.CDLL, rate: int, head: bytes, voice: bytes, text: bytes) -> bytes:
    """The answer to an order."""
    words_a_minute, pitch, volume, seed, _, _ = ORDER.unpack(head)
    heard = _Heard()
    callback = _Callback(heard.take)
    library.espeak_SetSynthCallback(callback)
    library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
    if library.espeak_SetVoiceByName(voice + b"\0"):
        return _refusal("there is no voice " + voice.decode())
    for parameter, value in ((_RATE, words_a_minute), (_PITCH, pitch), (_VOLUME, volume)):
        library.espeak_SetParameter(parameter, value, 0)
    size = ctypes.c_size_t(len(text) + 1)
    flags = _UTF8 | _PHONEMES_IN_BRACKETS | _END_PAUSE
    status = library.espeak_Synth(ctypes.c_char_p(text), size, 0, 1, 0, flags, None, None)
    return _refusal(f"status {status}") if status else heard.answer(rate)


def _refusal(message: str) -> bytes:
    encoded = message.encode()
    return ANSWER.pack(len(encoded), 0, 0, 0, 0) + encoded


def serve(library: ctypes.CDLL, rate: int, orders: BinaryIO, answers: BinaryIO) -> None:
    """Answer orders until there are no more, or until one cannot be answered."""
    while len(head := orders.read(ORDER.size)) == ORDER.size:
        *_, voice, text = ORDER.unpack(head)
        order = (head, orders.read(voice), orders.read(text))
        if not hasattr(os, "fork"):  # pragma: no cover  # Windows
            answers.write(speak(library, rate, *order))
            answers.flush()
        elif child := os.fork():
            if os.waitpid(child, 0)[1]:
                sys.exit("eSpeak NG died")  # its answer may be half written: the asker must start anew
        else:
            _answer_and_end(library, rate, order, answers)


def _answer_and_end(
    library: ctypes.CDLL, rate: int, order: tuple[bytes, bytes, bytes], answers: BinaryIO
) -> None:
    """Answer in a fork, and never come back from it."""
    status = 1
    try:
        ctypes.CDLL(None).alarm(LONGEST_S)  # ends the fork
        answers.write(speak(library, rate, *order))
        answers.flush()
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve(*load(*sys.argv[1:]), sys.stdin.buffer, sys.stdout.buffer)
