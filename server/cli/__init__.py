"""The command line: `lipstream COMMAND`. Says what went wrong in a line, and never shows a traceback for a
user's mistake.

Exit codes: 0 done, 1 failed, 2 the user's input cannot be used, 130 interrupted.
"""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import core
from core.errors import NO_ROOM, BadInput, Error, StageError
from server.cli.options import TEXT_HELP, every_option, face_option, json_option, look_options, voice_options
from server.cli.remote import add_batch, add_cluster, add_webhook_secret

Command = Callable[[argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """The whole command line. Nothing heavy is imported to show its help."""
    top = argparse.ArgumentParser(
        prog="lipstream",
        description="Text and a template video in, a talking video out, playing while it is made.",
    )
    top.add_argument("--config", metavar="FILE", help="settings (default: lipstream.toml, if it is there)")
    top.add_argument("--version", action="version", version=f"lipstream {core.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    render = commands.add_parser("render", help="make a talking video")
    render.set_defaults(run="server.cli.render:render_command")
    render.add_argument("text", nargs="?", metavar="TEXT", help=TEXT_HELP)
    render.add_argument("--audio", metavar="FILE", help="a file of speech to use instead of a text")
    render.add_argument(
        "--template",
        default="sample",
        metavar="ID|FILE",
        help="who says it: a template, or a video or picture used this once (default: sample)",
    )
    face_option(render)
    render.add_argument(
        "-o", "--output", metavar="FILE", help="- streams to standard output (default: out.mp4, or as FORMAT)"
    )
    render.add_argument(
        "--srt", action="store_true", help="write captions beside the video (.srt, .vtt and .ass)"
    )
    render.add_argument("--burn-subtitles", action="store_true", help="draw captions into the picture")
    render.add_argument(
        "--subtitle-style",
        metavar="NAME=VALUE,...",
        help="how they are drawn: font, size (%% of the height), colour, edge, highlight (of the word that "
        "is heard), box, place (bottom, middle, top), as in colour=#fff,highlight=#fc0,box=#0008",
    )
    render.add_argument("--srt-track", action="store_true", help="captions as a track that players can show")
    render.add_argument(
        "--enhance", action=argparse.BooleanOptionalAction, default=True, help="make faces clearer (default)"
    )
    render.add_argument(
        "--fidelity",
        type=float,
        metavar="W",
        help="of clearer faces: 0 clearest, 1 most alike (default: 0.7)",
    )
    words = "how the video says that it is generated: off, metadata, visible or both (default: as set)"
    alone = "webm, mov: the person alone, without background: VP9 with alpha, or ProRes 4444 (default: mp4)"
    render.add_argument("--format", choices=("mp4", "webm", "mov"), default="mp4", help=alone)
    render.add_argument("--label", choices=("off", "metadata", "visible", "both"), help=words)
    every_option(render)
    render.add_argument("--still", action=argparse.BooleanOptionalAction, help="of a picture only lips move")
    render.add_argument("--seed", type=int, default=0, metavar="N", help="of a picture's blinks (default: 0)")
    render.add_argument("--speech", default="auto", metavar="ENGINE", help="voice engine (default: auto)")
    look_options(render)
    voice_options(render)

    _add_live(commands.add_parser("live", help="a person who idles, and says each line that you type"))

    serve = commands.add_parser("serve", help="start the server and its web page")
    serve.set_defaults(run="server.cli.serve:serve_command")
    serve.add_argument("--config", default=argparse.SUPPRESS, metavar="FILE", help="settings, as TOML")
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    serve.add_argument(
        "--only",
        choices=("video", "speech", "lipsync", "enhance"),
        help="one service alone, at its old addresses (default: all, and the page)",
    )
    serve.add_argument(
        "--cluster", metavar="HOST:PORT", help="make videos on a Ray cluster that this machine has joined"
    )
    serve.add_argument("--port", type=int, help="port to listen on (default: 8010)")
    serve.add_argument(
        "--no-key",
        action="store_true",
        default=None,
        help="let everybody who reaches it do everything; needed with --host where no key was made",
    )

    say = commands.add_parser("say", help="speak a text, or show how it will be read")
    say.set_defaults(run="server.cli.render:say_command")
    say.add_argument("text", metavar="TEXT", help=TEXT_HELP)
    say.add_argument(
        "--dry-run", action="store_true", help="print the sentences as they will be read, make no sound"
    )
    say.add_argument("-o", "--output", default="out.wav", metavar="FILE")
    say.add_argument("--speech", default="auto", metavar="ENGINE", help="voice engine (default: auto)")
    voice_options(say)

    _add_enhance(commands.add_parser("enhance", help="make the faces of any video clearer"))
    _add_templates(
        commands.add_parser(
            "templates", help="add, list, prepare, enlarge, remove templates; actions, other backgrounds"
        )
    )
    _add_voices(commands.add_parser("voices", help="list the voices, add and remove cloned ones"))
    _add_keys(commands.add_parser("keys", help="make, list and remove the keys that open the server"))
    add_batch(commands.add_parser("batch", help="have a running server make a video of every row of a file"))
    add_webhook_secret(commands.add_parser("webhook-secret", help="show what webhooks are signed with"))
    add_cluster(commands.add_parser("cluster", help="what the nodes of a running server do"))
    _add_models(commands.add_parser("models", help="list, download, verify the weights of neural engines"))
    config = commands.add_parser("config", help="what is set, and where")
    config.set_defaults(run="server.cli.about:config_command")
    settings = config.add_subparsers(dest="action", metavar="ACTION", required=True)
    settings.add_parser("show", help="every setting, its value and where it came from")
    settings.add_parser("docs", help="what each setting is, as Markdown")
    engines = commands.add_parser("engines", help="what can run here, and what is missing")
    engines.set_defaults(run="server.cli.about:engines_command")
    json_option(engines)
    commands.add_parser("doctor", help="check this machine").set_defaults(
        run="server.cli.about:doctor_command", json=False
    )
    commands.add_parser("demo", help="render a Mandarin and an English line into ./demo").set_defaults(
        run="server.cli.render:demo_command"
    )
    return top


def _add_live(live: argparse.ArgumentParser) -> None:
    live.set_defaults(run="server.cli.live:live_command")
    words = "say the lines of this text file instead of those of standard input"
    live.add_argument("script", nargs="?", metavar="FILE", help=words)
    live.add_argument("--loop", action="store_true", help="begin FILE again after its last line, for ever")
    live.add_argument("-t", "--template", default="sample", metavar="ID", help="(default: sample)")
    words = "the growing video; - is standard output, for a player (default: live.mp4, or none with --push)"
    live.add_argument("-o", "--output", metavar="FILE", help=words)
    words = "send it to this RTMP server, too; the key may be in LIPSTREAM_PUSH_KEY instead"
    live.add_argument("--push", metavar="rtmp://HOST/APP/KEY", help=words)
    live.add_argument("--speech", default="auto", metavar="ENGINE", help="voice engine (default: auto)")
    live.add_argument("--enhance", action="store_true", help="make faces clearer, if there is time for it")
    look_options(live)
    words = "say this recording first; - is raw sound on standard input as it comes, instead of lines"
    live.add_argument("--audio", metavar="FILE", help=words)
    words = "of raw sound, 16 bits, samples a second (default: 24000)"
    live.add_argument("--audio-rate", type=int, default=24_000, metavar="HZ", help=words)
    live.add_argument("--audio-channels", type=int, default=1, metavar="N", help="of raw sound (default: 1)")
    voice_options(live)


def _add_enhance(enhance: argparse.ArgumentParser) -> None:
    enhance.set_defaults(run="server.cli.enhance:enhance_command")
    enhance.add_argument("video", metavar="FILE", help="a video file")
    enhance.add_argument(
        "-o",
        "--output",
        default="enhanced.mp4",
        metavar="FILE",
        help="default: enhanced.mp4; it keeps every sound track as it is. - streams to standard output, with "
        "the first in mono",
    )
    enhance.add_argument(
        "--engine", default="auto", metavar="ENGINE", help="one of `lipstream engines` (default: auto)"
    )
    enhance.add_argument(
        "--fidelity",
        type=float,
        metavar="W",
        help="0 the clearest faces, 1 the most alike (default: 0.7)",
    )
    every_option(enhance)
    enhance.add_argument(
        "--upscale",
        type=int,
        default=1,
        metavar="N",
        help="2: a picture twice as large; what is around the faces is resampled, unless --background",
    )
    enhance.add_argument(
        "--background",
        action="store_true",
        help="what is around the faces made clearer, too, by Real-ESRGAN; the size stays unless --upscale 2. "
        "Wants a GPU, and: lipstream models download realesrgan-x2",
    )


def _add_templates(templates: argparse.ArgumentParser) -> None:
    templates.set_defaults(run="server.cli.templates:templates_command")
    actions = templates.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="prepare a video or picture of a person")
    add.add_argument("file", metavar="FILE|URL")
    add.add_argument("--name", help="its name, from which the id is made (default: the file's)")
    face_option(add)
    faces = actions.add_parser("faces", help="who is to be seen in a video or picture, numbered")
    faces.add_argument("file", metavar="FILE")
    json_option(faces)
    faces.add_argument("-o", "--output", metavar="JPG", help="draw the numbers into a picture")
    prepare = actions.add_parser("prepare", help="prepare a template ahead for engines, a rate or a size")
    prepare.add_argument("id", metavar="ID")
    look_options(prepare)
    enlarge = actions.add_parser("enlarge", help="a new template: the same, twice as large")
    enlarge.set_defaults(run="server.cli.templates:enlarge_command")
    enlarge.add_argument("id", metavar="ID")
    enlarge.add_argument("--name", help="of the new template (default: made of the old one's)")
    enlarge.add_argument(
        "--engine", default="auto", help="what enlarges, see `lipstream engines` (default: auto)"
    )
    moves = actions.add_parser("actions", help="a new template: one who can do what others show")
    moves.set_defaults(run="server.cli.templates:actions_command")
    moves.add_argument("id", metavar="ID", help="the template that is shown while the person idles")
    moves.add_argument(
        "actions",
        metavar="NAME=ID",
        nargs="+",
        help="an action and who shows it, like wave=me-waving; `talk` is shown while something is heard",
    )
    moves.add_argument("--name", help="of the new template (default: made of the old one's)")
    _add_background(actions.add_parser("background", help="a new template: the person before something else"))
    json_option(actions.add_parser("list", help="every template"))
    show = actions.add_parser("show", help="everything known of one")
    show.add_argument("id", metavar="ID")
    json_option(show)
    rename = actions.add_parser("rename", help="give one another name; its id stays")
    rename.add_argument("id", metavar="ID")
    rename.add_argument("name", metavar="NAME")
    actions.add_parser("remove", help="delete one").add_argument("id", metavar="ID")


def _add_background(background: argparse.ArgumentParser) -> None:
    background.set_defaults(run="server.cli.templates:background_command")
    add = background.add_argument
    add("id", metavar="ID", help="the template whose person is meant")
    add("--prompt", metavar="TEXT", help="what shall be behind, in words")
    add("--image", metavar="FILE|URL", help="a picture that shall be behind")
    add("--name", help="of the new template (default: made of both)")
    add("--engine", default="auto", help="what paints, see `lipstream engines` (default: auto)")
    add(
        "--matte",
        default="auto",
        metavar="ENGINE",
        help="what cuts out: key, flat, selfie, grabcut, rvm (default: auto)",
    )
    add("--fit", default="cover", help="cover, contain or stretch (default: cover)")
    add(
        "--focus",
        default="0.5,0.5",
        metavar="X,Y",
        help="what cover keeps in view, 0 to 1 (default: 0.5,0.5)",
    )
    add(
        "--blur", nargs="?", type=float, const=0.4, default=0.0, metavar="AMOUNT", help="out of focus, 0 to 1"
    )
    words = "bring the picture's light nearer to the person's (default)"
    add("--tone", action=argparse.BooleanOptionalAction, default=True, help=words)
    add("--pan", action="store_true", help="let the view wander slowly over the picture")
    add("--seed", type=int, default=0, help="another number, another picture")
    add("--negative", default="", metavar="TEXT", help="what shall not be in the picture (stable-diffusion)")
    add("--steps", type=int, help="of stable-diffusion (default: as the checkpoint wants)")
    add(
        "--guidance", type=float, help="how closely it keeps to the prompt (default: as the checkpoint wants)"
    )
    add("--preview", metavar="JPG", help="write the first frame there before the rest is made")
    add("--alpha", metavar="FILE", help="write the person alone: .webm (VP9) or .mov (ProRes 4444)")


def _add_voices(voices: argparse.ArgumentParser) -> None:
    voices.set_defaults(run="server.cli.voices:voices_command", speech="auto", json=False)
    actions = voices.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help="every voice of an engine; the first is the default")
    listing.add_argument("--speech", default="auto", metavar="ENGINE", help="(default: auto)")
    json_option(listing)
    add = actions.add_parser("add", help="clone a voice from a recording, for the engine gpt-sovits")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--audio", required=True, metavar="FILE", help="3 to 10 s of one speaker")
    add.add_argument("--text", default="", help="what the recording says")
    add.add_argument("--lang", help="its language (default: that of the text, else zh)")
    add.add_argument("--aux", action="append", default=[], metavar="FILE", help="one more recording")
    add.add_argument(
        "--gpt", metavar="FILE", help="the voice's own .ckpt, or the name of one (lipstream models)"
    )
    add.add_argument("--sovits", metavar="FILE", help="the voice's own .pth, or the name of one")
    test = actions.add_parser("test", help="have a voice speak a line: how soon, how fast, how loud")
    test.add_argument("name", metavar="NAME")
    test.add_argument("--text", help="what it says (default: a line in its language)")
    test.add_argument("-o", "--output", metavar="FILE", help="keep it as a WAV file")
    test.add_argument(
        "--speech", default="auto", metavar="ENGINE", help="(default: the one that has the voice)"
    )
    actions.add_parser("remove", help="delete a cloned voice").add_argument("name", metavar="NAME")


def _add_keys(keys: argparse.ArgumentParser) -> None:
    keys.set_defaults(run="server.cli.keys:keys_command")
    actions = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make a key, and print it once")
    add.add_argument("name", metavar="NAME", help="whose it is, or what for")
    add.add_argument(
        "--scope",
        choices=("make", "read", "admin"),
        default="make",
        help="make: jobs, templates, voices of one's own (default); read: look at them; admin: everything",
    )
    add.add_argument(
        "--owner", metavar="NAME", help="whose jobs it opens (default: its own); several may share"
    )
    add.add_argument("--jobs", type=int, metavar="N", help="jobs that may be waiting or running at once")
    add.add_argument(
        "--minutes-a-day", type=float, metavar="N", help="minutes of speech and video in any 24 hours"
    )
    actions.add_parser("list", help="every key, without what opens")
    actions.add_parser("remove", help="a key opens nothing any more, at once").add_argument(
        "name", metavar="NAME"
    )


def _add_models(models: argparse.ArgumentParser) -> None:
    models.set_defaults(run="server.cli.models:models_command")
    actions = models.add_subparsers(dest="action", metavar="ACTION", required=True)
    json_option(actions.add_parser("list", help="what there is, and what is here"))
    get = actions.add_parser("download", help="get weights; goes on where it stopped")
    get.add_argument("names", nargs="+", metavar="NAME")
    get.add_argument("--accept", action="store_true", help="accept their terms without being asked")
    get.add_argument("--mirror", metavar="URL", help="a folder that has the files, tried first")
    verify = actions.add_parser("verify", help="compare files with what was published")
    verify.add_argument("names", nargs="*", metavar="NAME")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options, unknown = parser().parse_known_args(arguments)
    if unknown:
        hint = "a text that begins with - goes after --"
        parser().error(f"unrecognized arguments: {' '.join(unknown)} ({hint})")
    if isinstance(sys.stdout, io.TextIOWrapper):  # names that are no text of this locale are told, too
        utf8 = sys.stdout.encoding.lower() == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    module, _, name = options.run.partition(":")
    try:
        warnings = _check_settings(options.config)
        if options.command in ("serve", "config"):
            print(*(f"lipstream: {warning}\n" for warning in warnings), sep="", end="", file=sys.stderr)
        command: Command = getattr(importlib.import_module(module), name)
        return command(options)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was kept", 130)
    except BrokenPipeError:
        return 1  # whoever read our output has gone; there is nobody to tell
    except BadInput as error:
        return _fail(error.message, 2)
    except StageError as error:
        if isinstance(error.cause, BadInput):
            return _fail(error.cause.message, 2)
        return _fail(str(error), 1)
    except Error as error:
        return _fail(str(error), 1)
    except OSError as error:
        return _fail(_told(error), 1)


def _told(error: OSError) -> str:
    """What the machine says no to, in words."""
    if error.errno in NO_ROOM:  # its name may be that of a file that was only read
        return f"there is no room on the disk ({error.strerror}); free some, or choose another place"
    if error.strerror is None or error.filename is None:
        return str(error)
    from core.config import Settings

    folder = Settings().data_dir
    if Path(str(error.filename)).is_relative_to(folder):
        remedy = "set LIPSTREAM_DATA_DIR to a folder that can be written"
        return f"the data folder {folder} cannot be used ({error.strerror}); {remedy}"
    return f"{error.filename}: {error.strerror}"


def _check_settings(file: str | None) -> list[str]:
    """Read all settings once, so that whatever is wrong with them is said before anything is done."""
    if file is not None:
        os.environ["LIPSTREAM_CONFIG"] = file  # where every part of the program looks
    warnings: list[str] = importlib.import_module("server.configuration").check()
    return warnings


def _fail(message: str, code: int) -> int:
    print(f"lipstream: {message}", file=sys.stderr)
    return code
