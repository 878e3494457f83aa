"""Makes the video: text or speech and a template in, fragments of a talking video out.

Knows no HTTP, no jobs, no users; those live in `server`.
"""

__version__ = "0.1.0"
