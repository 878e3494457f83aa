"""What a TEXT on the command line means, and how a text file is read."""

import sys
from pathlib import Path

from core.errors import BadInput
from core.text.files import decoded


def is_file(argument: str | None) -> bool:
    """Whether it names a file: `@FILE`, but not `@@...`, a text that begins with @."""
    return argument is not None and argument.startswith("@") and not argument.startswith("@@")


def text_of(argument: str | None) -> str | None:
    """The text: itself, `-` standard input, `@FILE` a file's content, `@@...` a text that begins with @.

    Raises BadInput `missing_file`, `not_text`.
    """
    if argument is None:
        return None
    if argument == "-":
        return decoded(sys.stdin.buffer.read(), "standard input", "text")
    if not is_file(argument):
        return argument[1:] if argument.startswith("@@") else argument
    try:
        data = Path(argument[1:]).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"cannot read {argument[1:] or argument}: {why}; a text that begins with @ is written @@"
        raise BadInput("missing_file", message, "text") from error
    return decoded(data, argument[1:], "text")
