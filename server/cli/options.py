"""Options that several commands have."""

import argparse

TEXT_HELP = (
    "what to say; - reads standard input, @FILE a file; a text that begins with @ is written @@, "
    "one that begins with - goes after --"
)


def look_options(command: argparse.ArgumentParser) -> None:
    """How a video looks."""
    command.add_argument("--fps", type=int, metavar="N", help="frames a second (default: the template's own)")
    command.add_argument("--size", metavar="WxH", help="e.g. 1280x720 (default: the template's own)")
    command.add_argument("--lipsync", default="auto", metavar="ENGINE", help="lips engine (default: auto)")
    command.add_argument(
        "--enhancer", default="auto", metavar="ENGINE", help="clarity engine (default: auto)"
    )


def json_option(command: argparse.ArgumentParser) -> None:
    """Lists for programs."""
    command.add_argument("--json", action="store_true", help="print it as JSON, for programs")


def every_option(command: argparse.ArgumentParser) -> None:
    """How many faces are enhanced."""
    words = "enhance one face in N, 1 to 8, and carry what changed over to those after it (default: 1, each)"
    command.add_argument("--every", type=int, default=1, metavar="N", help=words)


def face_option(command: argparse.ArgumentParser) -> None:
    """Whose face is meant."""
    words = "whose face, if several people are seen: largest, central, or a number of `templates faces`"
    command.add_argument("--face", default="auto", metavar="WHICH", help=words)


def voice_options(command: argparse.ArgumentParser) -> None:
    """Who speaks, and how."""
    command.add_argument("--voice", metavar="NAME", help="see `lipstream voices`")
    command.add_argument(
        "--language",
        default="auto",
        help="zh, en, yue, ja, ko, fr, de, es, it, pt, ru or auto (default: by script)",
    )
    command.add_argument("--speed", type=float, default=1.0, metavar="X", help="0.5 to 2 (default: 1)")
    command.add_argument(
        "--pitch", type=float, default=0.0, metavar="SEMITONES", help="-12 to 12 (default: 0)"
    )
