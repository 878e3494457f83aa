"""Who a request is from, and what they may do and see.

Kept beside the request, not in it: what lies deep below a handler (a list of templates, a file by URL) must
show nobody what is another's, and need not be told by every layer in between.
"""

import hashlib
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from server.errors import Refused
from server.store.owners import UNLIMITED, Owners, Quota, Thing
from server.store.rows import JobRow

Scope = Literal["read", "make", "admin"]

_RANKS = {"none": 0, "read": 1, "make": 2, "admin": 3}

MADE_ON_THE_WAY = ("url_", "ref_")
"""How names begin of templates by URL and of voices from requests' recordings: never everybody's."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds a key. owner: whose things are theirs, "" if no keys are asked for.

    scope: `none` looks at what everybody may; `read` at their own; `make` makes; `admin` does all, and sees
    everybody's. key: which key it is (`Key.mark`), "" without one.
    """

    owner: str = ""
    scope: Literal["none", "read", "make", "admin"] = "admin"
    quota: Quota = UNLIMITED
    key: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether this is allowed."""
        return _RANKS[self.scope] >= _RANKS[scope]

    def require(self, scope: Scope) -> None:
        """Raises Refused 401 without a key, 403 with one of another scope."""
        if self.scope == "none":
            raise Refused(
                401,
                "key_needed",
                "this server asks for a key: send it as `Authorization: Bearer KEY`",
                "Authorization",
                {"WWW-Authenticate": 'Bearer realm="lipstream"'},
            )
        if not self.may(scope):
            message = f"this key may {self.scope}; it takes one with the scope {scope}"
            raise Refused(403, "scope_too_small", message, "Authorization")

    @property
    def only(self) -> str | None:
        """The owner to whose things they are held; None: everybody's are shown."""
        return None if self.scope == "admin" else self.owner

    @property
    def adds_for(self) -> str | None:
        """Whose the templates and voices are that they add; None: everybody's."""
        return self.only

    def sees_job(self, job: JobRow) -> bool:
        """Whether the job is theirs to see."""
        return self.only in (None, job.owner)


NOBODY = Caller(scope="none")
"""Has no key where one is asked for."""

ANYBODY = Caller()
"""Where no keys are asked for, whoever asks; and the server itself."""

caller: ContextVar[Caller] = ContextVar("caller", default=ANYBODY)
"""Set while a request is handled; what the server does by itself may do all."""


class Ownership:
    """Which templates and voices the caller sees, and what those are called that they add."""

    def __init__(self, owners: Owners) -> None:
        self.owners = owners

    def sees(self, kind: Thing, name: str) -> bool:
        """Whether it is theirs, or everybody's."""
        only = caller.get().only
        if only is None:
            return True
        having = self.owners.of(kind, name)
        return only in having or not (having or name.startswith(MADE_ON_THE_WAY))

    def may_change(self, kind: Thing, name: str) -> bool:
        """Whether it is theirs."""
        only = caller.get().only
        return only is None or only in self.owners.of(kind, name)

    def name(self, kind: Thing, wanted: str) -> str:
        """What one is called that the caller adds: as they want, unless that is another's.

        Nobody is told that others have one of this name, by a refusal or otherwise.
        """
        only, having = caller.get().adds_for, self.owners.of(kind, wanted)
        if only is None or not having or only in having:
            return wanted
        return f"{wanted[:56]}-{hashlib.sha256(only.encode()).hexdigest()[:6]}"
