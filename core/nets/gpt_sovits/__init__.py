"""GPT-SoVITS networks (https://github.com/RVC-Boss/GPT-SoVITS, MIT): text to semantic tokens to sound.

Modules only: no files, no text, no sampling, no requests. Every net is built by a `from_checkpoint` that
takes the published `weight` dict, reads all sizes from its shapes and loads it strictly. They are for
inference: weight norm is folded when loading, batch size is one except in `t2s`.

Letters: B rows, T frames or tokens, C channels, H heads, L layers, S slots of the key-value cache.
"""
