"""How schemathesis sends bodies that are text of a kind it does not know (SCHEMATHESIS_HOOKS)."""

import schemathesis


@schemathesis.serializer("application/jsonl", "application/sdp")
def as_text(context: schemathesis.SerializationContext, value: object) -> bytes:
    """The text itself."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")
