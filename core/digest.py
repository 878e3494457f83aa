"""What is in a file, as one word."""

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Its SHA-256, 64 hex digits. Reads all of it; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
