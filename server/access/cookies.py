"""Cookies of the page: that somebody has shown a key, for some days, and not the key.

Signed like links to files, over the standard library's HMAC: a second way of signing would be one more thing
to know, for ten lines less. The key's hash is part of the secret, so a cookie ends with its key.
"""

import base64
import hashlib
import hmac
import time

from server.access.keys import Key, Keys

COOKIE = "lipstream"
SIGNED_IN = "lipstream-signed-in"
"""One beside it that says no more than that there is one: scripts of the page cannot see the other."""

LIFE_S = 30 * 86_400
"""Seconds that a cookie is good for."""


class Cookies:
    """Cookies for the keys of one server. secret: known to it alone."""

    def __init__(self, keys: Keys, secret: bytes) -> None:
        self._keys = keys
        self._secret = secret

    def token(self, key: Key) -> str:
        """What the cookie holds."""
        expires = str(int(time.time()) + LIFE_S)
        return f"{key.name}|{expires}|{self._sign(key, expires)}"

    def key(self, token: str) -> Key | None:
        """The key that a cookie stands for; None if it is not ours, too old, or the key is gone."""
        name, _, rest = token.partition("|")
        expires, _, signature = rest.partition("|")
        key = self._keys.named(name)
        if key is None or not hmac.compare_digest(
            self._sign(key, expires).encode(), signature.encode(errors="replace")
        ):
            return None
        return key if int(expires) > time.time() else None  # signed, so a number

    def _sign(self, key: Key, expires: str) -> str:
        words = f"{key.hash}\n{key.name}\n{expires}".encode()
        digest = hmac.digest(self._secret, b"session\n" + words, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
