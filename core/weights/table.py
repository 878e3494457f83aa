"""The checkpoints this project can use: what they are, where they come from, whose terms they are under.

None is shipped. Sizes and hashes are those of the published files, as their mirrors and users state them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_RESEARCH = (
    "Wav2Lip's weights were trained on LRS2. Their authors (github.com/Rudrabha/Wav2Lip) allow research, "
    "academic and personal use only; any commercial use is strictly prohibited. Ask people before you put "
    "words into their mouths, and say that the video is made."
)
_MIT_WIDER = (
    "The code is MIT; the weights were trained on WIDER FACE, whose pictures are for non-commercial research."
)
_BSD_WIDER = (
    "From face-alignment (BSD-3-Clause); the weights were trained on WIDER FACE, whose pictures are for "
    "non-commercial research."
)
_S_LAB = (
    "CodeFormer's weights are under the S-Lab License 1.0 (github.com/sczhou/CodeFormer): use and "
    "redistribution for non-commercial purposes only; ask the authors before any commercial use."
)
_GFPGAN = (
    "Apache-2.0 (github.com/TencentARC/GFPGAN). It was trained on FFHQ: pictures under Creative Commons "
    "licences, some of them for non-commercial use; what that means for weights is for you to judge."
)
_PARSENET = (
    "The code is MIT (facexlib, PSFRGAN); the weights were trained on CelebAMask-HQ, whose pictures are for "
    "non-commercial research and education."
)

_MIT_VOICE = (
    "MIT (github.com/RVC-Boss/GPT-SoVITS). It speaks with the voice of any recording: have the speaker's "
    "consent, and say that the voice is made."
)
_MUSETALK = (
    "Commercial use is allowed: MuseTalk's authors (github.com/TMElyralab/MuseTalk) give their weights for "
    "any purpose, even commercially. The page that has them names the CreativeML OpenRAIL-M licence, which "
    "forbids harm and deceit. Ask people before you put words into their mouths, and say that the video is "
    "made."
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A published file of weights.

    file: its name on disk. size: in bytes. sha256: of the whole file. sources: addresses, tried in order.
    terms: what the user must agree to before it is downloaded.
    """

    name: str
    about: str
    file: str
    size: int
    sha256: str
    sources: tuple[str, ...]
    terms: str

    @property
    def megabytes(self) -> str:
        """Its size, for people."""
        return f"{self.size / 1e6:.0f} MB" if self.size >= 1e6 else "1 MB"


_FACES = "https://huggingface.co/camenduru/Wav2Lip/resolve/main/checkpoints"
_FACEXLIB = "https://github.com/xinntao/facexlib/releases/download/v0.1.0"
_CODEFORMER = "https://github.com/sczhou/CodeFormer/releases/download/v0.1.0"
# The revision whose hashes these are; what lies on `main` may change.
_SOVITS = "lj1995/GPT-SoVITS/resolve/336b2ec4e8d4ac74740798dd40af44e74659ecaf"


def _hub(path: str) -> tuple[str, ...]:
    return tuple(f"https://{host}/{path}" for host in ("huggingface.co", "hf-mirror.com"))


def _sovits(path: str) -> tuple[str, ...]:
    return _hub(f"{_SOVITS}/{path}")


CHECKPOINTS: Mapping[str, Checkpoint] = {
    entry.name: entry
    for entry in (
        Checkpoint(
            "wav2lip",
            "lips, 96 px: the most accurate sync",
            "wav2lip.pth",
            435_807_851,
            "b78b681b68ad9fe6c6fb1debc6ff43ad05834a8af8a62ffc4167b7b34ef63c37",
            (
                f"{_FACES}/wav2lip.pth",
                "https://huggingface.co/numz/wav2lip_studio/resolve/main/Wav2lip/wav2lip.pth",
                "https://huggingface.co/rippertnt/wav2lip/resolve/main/wav2lip.pth",
            ),
            _RESEARCH,
        ),
        Checkpoint(
            "wav2lip-gan",
            "lips, 96 px: the better picture",
            "wav2lip_gan.pth",
            435_801_865,
            "ca9ab7b7b812c0e80a6e70a5977c545a1e8a365a6c49d5e533023c034d7ac3d8",
            (
                f"{_FACES}/wav2lip_gan.pth",
                "https://huggingface.co/numz/wav2lip_studio/resolve/main/Wav2lip/wav2lip_gan.pth",
                "https://huggingface.co/Nekochu/Wav2Lip/resolve/main/wav2lip_gan.pth",
            ),
            _RESEARCH,
        ),
        Checkpoint(
            "s3fd",
            "face finder, as Wav2Lip uses it",
            "s3fd-619a316812.pth",
            89_843_225,
            "619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
            (
                "https://www.adrianbulat.com/downloads/python-fan/s3fd-619a316812.pth",
                f"{_FACES}/s3fd-619a316812.pth",
            ),
            _BSD_WIDER,
        ),
        Checkpoint(
            "retinaface",
            "face finder with landmarks, small and fast",
            "detection_mobilenet0.25_Final.pth",
            1_789_735,
            "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
            (
                f"{_FACEXLIB}/detection_mobilenet0.25_Final.pth",
                f"{_CODEFORMER}/detection_mobilenet0.25_Final.pth",
            ),
            _MIT_WIDER,
        ),
        Checkpoint(
            "retinaface-resnet50",
            "face finder with landmarks, thorough",
            "detection_Resnet50_Final.pth",
            109_497_761,
            "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
            (f"{_FACEXLIB}/detection_Resnet50_Final.pth", f"{_CODEFORMER}/detection_Resnet50_Final.pth"),
            _MIT_WIDER,
        ),
        Checkpoint(
            "codeformer",
            "faces restored, 512 px",
            "codeformer.pth",
            376_637_898,
            "1009e537e0c2a07d4cabce6355f53cb66767cd4b4297ec7a4a64ca4b8a5684b7",
            (
                f"{_CODEFORMER}/codeformer.pth",
                "https://huggingface.co/datasets/Gourieff/ReActor/resolve/main/models/facerestore_models/"
                "codeformer-v0.1.0.pth",
            ),
            _S_LAB,
        ),
        Checkpoint(
            "gfpgan",
            "faces restored, 512 px: v1.4",
            "GFPGANv1.4.pth",
            348_632_874,
            "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
            (
                "https://github.com/TencentARC/GFPGAN/releases/download/v1.3.0/GFPGANv1.4.pth",
                "https://huggingface.co/datasets/Gourieff/ReActor/resolve/main/models/facerestore_models/"
                "GFPGANv1.4.pth",
            ),
            _GFPGAN,
        ),
        Checkpoint(
            "parsenet",
            "face parser: keeps hair, hands and background out of restored faces",
            "parsing_parsenet.pth",
            85_331_193,
            "3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
            (
                "https://github.com/xinntao/facexlib/releases/download/v0.2.2/parsing_parsenet.pth",
                f"{_CODEFORMER}/parsing_parsenet.pth",
            ),
            _PARSENET,
        ),
        Checkpoint(
            "realesrgan-x2",
            "templates twice as large, backgrounds clearer",
            "RealESRGAN_x2plus.pth",
            67_061_725,
            "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
            (
                "https://github.com/xinntao/Real-ESRGAN/releases/download/v0.2.1/RealESRGAN_x2plus.pth",
                f"{_CODEFORMER}/RealESRGAN_x2plus.pth",
            ),
            "BSD-3-Clause (github.com/xinntao/Real-ESRGAN).",
        ),
        Checkpoint(
            "musetalk-unet",
            "lips, 256 px: MuseTalk 1.5; wants a GPU",
            "musetalk-1.5-unet.pth",
            3_400_074_924,
            "7ebf6c98c181e20838e4c0054e96e944ac60d5d692cc01db42839fe11b787007",
            _hub("TMElyralab/MuseTalk/resolve/3ef28bc5cff08c90ad8178a25f1b570cd800170f/musetalkV15/unet.pth"),
            _MUSETALK,
        ),
        Checkpoint(
            "sd-vae-ft-mse",
            "lips by MuseTalk: pictures to latents and back",
            "sd-vae-ft-mse.bin",
            334_707_217,
            "1b4889b6b1d4ce7ae320a02dedaeff1780ad77d415ea0d744b476155c6377ddc",
            _hub(
                "stabilityai/sd-vae-ft-mse/resolve/31f26fdeee1355a5c34592e401dd41e45d25a493/"
                "diffusion_pytorch_model.bin"
            ),
            "From Stability AI (huggingface.co/stabilityai/sd-vae-ft-mse); MIT.",
        ),
        Checkpoint(
            "whisper-tiny",
            "lips by MuseTalk: listens",
            "whisper-tiny.bin",
            151_095_027,
            "9607f98a2b22d9e229ae43c52ecea79dcede9e0c5cfae67e8da6eda86d8aac1d",
            _hub("openai/whisper-tiny/resolve/169d4a4341b33bc18d8881c4b69c2e104e1cc0af/pytorch_model.bin"),
            "From OpenAI (huggingface.co/openai/whisper-tiny); Apache-2.0, its code MIT.",
        ),
        Checkpoint(
            "gpt-sovits-t2s",
            "cloned voices: text to tokens, of v2Pro, v2ProPlus and later",
            "s1v3.ckpt",
            155_284_856,
            "87133414860ea14ff6620c483a3db5ed07b44be42e2c3fcdad65523a729a745a",
            _sovits("s1v3.ckpt"),
            _MIT_VOICE,
        ),
        Checkpoint(
            "gpt-sovits-v2proplus",
            "cloned voices: tokens to sound, the best",
            "s2Gv2ProPlus.pth",
            200_125_741,
            "d42a22bbbf65fb2bbdd45ad6a66841156977db45c7aabe0a6992ff378d9c7d3b",
            _sovits("v2Pro/s2Gv2ProPlus.pth"),
            _MIT_VOICE,
        ),
        Checkpoint(
            "gpt-sovits-v2pro",
            "cloned voices: tokens to sound, a third cheaper",
            "s2Gv2Pro.pth",
            162_303_657,
            "0f8ead815234365edf045c6d86370ed6e4f440e8195be77ff0ea72684ad406a5",
            _sovits("v2Pro/s2Gv2Pro.pth"),
            _MIT_VOICE,
        ),
        Checkpoint(
            "gpt-sovits-t2s-v2",
            "cloned voices: text to tokens, of v2",
            "s1bert25hz-5kh-longer-epoch=12-step=369668.ckpt",
            155_315_150,
            "732f94e63b148066e24c7f9d2637f3374083e637635f07fbdb695dee20ddbe1f",
            _sovits("gsv-v2final-pretrained/s1bert25hz-5kh-longer-epoch=12-step=369668.ckpt"),
            _MIT_VOICE,
        ),
        Checkpoint(
            "gpt-sovits-v2",
            "cloned voices: tokens to sound, of v2, small",
            "s2G2333k.pth",
            106_035_259,
            "924fdccaa3c574bf139c25c9759aa1ed3b3f99e19a7c529ee996c2bc17663695",
            _sovits("gsv-v2final-pretrained/s2G2333k.pth"),
            _MIT_VOICE,
        ),
        Checkpoint(
            "gpt-sovits-t2s-v1",
            "cloned voices: text to tokens, of v1 (Chinese, English, Japanese)",
            "s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt",
            155_093_966,
            "b1c1e17e9c99547a89388f72048cd6e1b41b5a18b170e86a46dfde0324d63eb1",
            _sovits("s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt"),
            _MIT_VOICE,
        ),
        Checkpoint(
            "gpt-sovits-v1",
            "cloned voices: tokens to sound, of v1",
            "s2G488k.pth",
            105_973_721,
            "020a014e1e01e550e510f2f61fae5e5f5b6aab40f15c22f1f12f724df507e835",
            _sovits("s2G488k.pth"),
            _MIT_VOICE,
        ),
        Checkpoint(
            "gpt-sovits-speaker",
            "cloned voices: tells speakers apart (ERes2NetV2)",
            "pretrained_eres2netv2w24s4ep4.ckpt",
            107_528_697,
            "4f5a0bf73c61eb41b174e1bb54e7ee3c83233892be8e0af1f187024e8e581a35",
            _sovits("sv/pretrained_eres2netv2w24s4ep4.ckpt"),
            "From 3D-Speaker; Apache-2.0.",
        ),
        Checkpoint(
            "chinese-hubert",
            "cloned voices: listens to the reference",
            "chinese-hubert-base.bin",
            188_811_417,
            "24164f129c66499d1346e2aa55f183250c223161ec2770c0da3d3b08cf432d3c",
            _sovits("chinese-hubert-base/pytorch_model.bin"),
            "From TencentGameMate/chinese-hubert-base; MIT.",
        ),
        Checkpoint(
            "chinese-roberta",
            "cloned voices: how Chinese is meant",
            "chinese-roberta-wwm-ext-large.bin",
            651_225_145,
            "e53a693acc59ace251d143d068096ae0d7b79e4b1b503fa84c9dcf576448c1d8",
            _sovits("chinese-roberta-wwm-ext-large/pytorch_model.bin"),
            "From hfl/chinese-roberta-wwm-ext-large; Apache-2.0.",
        ),
        Checkpoint(
            "chinese-roberta-tokens",
            "the vocabulary of chinese-roberta",
            "chinese-roberta-wwm-ext-large.json",
            268_962,
            "173796956820ea27bd14f76bf28162607ff4254807e2948253eb5b46f5bb643b",
            _sovits("chinese-roberta-wwm-ext-large/tokenizer.json"),
            "From hfl/chinese-roberta-wwm-ext-large; Apache-2.0.",
        ),
    )
}

_LISTENING = ("chinese-hubert", "chinese-roberta", "chinese-roberta-tokens")
SETS: Mapping[str, tuple[str, ...]] = {
    "musetalk": ("musetalk-unet", "sd-vae-ft-mse", "whisper-tiny"),
    "facelib": ("retinaface", "parsenet"),
    "voice-v2proplus": ("gpt-sovits-t2s", "gpt-sovits-v2proplus", "gpt-sovits-speaker", *_LISTENING),
    "voice-v2pro": ("gpt-sovits-t2s", "gpt-sovits-v2pro", "gpt-sovits-speaker", *_LISTENING),
    "voice-v2": ("gpt-sovits-t2s-v2", "gpt-sovits-v2", *_LISTENING),
    "voice-v1": ("gpt-sovits-t2s-v1", "gpt-sovits-v1", *_LISTENING),
}
"""Names for several checkpoints at once: all of MuseTalk's, what CodeFormer's users know as facelib, and for
GPT-SoVITS all that a version's base models need."""
