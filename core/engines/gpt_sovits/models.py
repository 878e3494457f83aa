"""The networks this engine has loaded: model pairs of voices, least recently used out first, and shared ones.

Shared are HuBERT, BERT and the speaker net: loaded when first needed, kept to the end.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from core.engines.compute.checkpoints import load_tensors
from core.engines.compute.devices import device_of, dtype_of
from core.engines.gpt_sovits.checkpoints import Checkpoint, check_pair, read_sovits, read_t2s
from core.engines.gpt_sovits.decoder import Decoder
from core.engines.gpt_sovits.settings import GptSovitsSettings
from core.engines.gpt_sovits.text.g2pw import read_tokens
from core.engines.gpt_sovits.text.symbols import Version
from core.engines.gpt_sovits.ways import quickest_talker
from core.errors import BadInput
from core.nets.gpt_sovits.sovits import Synthesizer
from core.nets.gpt_sovits.speaker import SpeakerNet
from core.nets.gpt_sovits.t2s import Text2Semantic


@dataclass(frozen=True, slots=True)
class Pair:
    """A T2S and a SoVITS model that belong together, ready to run.

    symbols: "v1" or "v2", the phoneme table they know. key: names the SoVITS file as it is now.
    """

    decoder: Decoder
    sovits: Synthesizer
    symbols: Version
    key: str

    @property
    def bytes(self) -> int:
        """Memory that the two take now, the decoder's cache included."""
        return self.decoder.bytes + self.sovits.bytes


class Models:
    """See the module's docstring."""

    def __init__(self, settings: GptSovitsSettings) -> None:
        self.settings = settings
        self._pairs: OrderedDict[tuple[str, str], Pair] = OrderedDict()

    def pair(self, t2s: Path | None, sovits: Path | None) -> Pair:
        """The pair of these files, or of the settings'. Raises BadInput for files that cannot be used."""
        paths = (t2s or self.settings.t2s, sovits or self.settings.sovits)
        key = (_identity(paths[0]), _identity(paths[1]))
        if key not in self._pairs:
            self._pairs[key] = self._load(*paths)
        self._pairs.move_to_end(key)
        room = self.settings.memory_mb * 1_000_000
        while len(self._pairs) > 1 and sum(pair.bytes for pair in self._pairs.values()) > room:
            self._pairs.popitem(last=False)  # sentences that still speak with it keep it alive
        return self._pairs[key]

    def _load(self, t2s: Path, sovits: Path) -> Pair:
        first, second = read_t2s(t2s), read_sovits(sovits)
        check_pair(first, second)
        quick = torch.float32 if self.device.type == "mps" else dtype_of("auto", self.device)
        try:
            talker = self._talker(first)
            singer = Synthesizer.from_checkpoint(second.weights, second.config).to(self.device)
        except (RuntimeError, KeyError) as error:
            raise BadInput(
                "weights_wrong", f"{t2s} or {sovits} does not have the parts its kind has: {error}"
            ) from error
        if self.settings.precision != "float32":
            singer.dec.to(quick)
        singer.dec.pack()
        if self.settings.precision == "fast" and self.device.type != "cpu":
            talker.to(quick)
        symbols: Version = "v1" if second.version == "v1" else "v2"
        return Pair(Decoder(talker, self.settings.rows), singer, symbols, _identity(sovits))

    def _talker(self, read: Checkpoint) -> Text2Semantic:
        if self.device.type != "cpu":
            return Text2Semantic.from_checkpoint(read.weights, read.config, None).to(self.device)
        precision = "fast" if self.settings.precision == "fast" else "float32"
        return quickest_talker(read.weights, read.config, precision, self.settings.quickest)

    @cached_property
    def hubert(self) -> nn.Module:
        """CN-HuBERT: samples (n,) at 16 kHz to features (1, 768, F)."""
        from core.nets.gpt_sovits.hubert import Hubert  # transformers takes seconds to import

        return self._built("a HuBERT model", self.settings.hubert, Hubert.from_checkpoint)

    @cached_property
    def bert(self) -> nn.Module:
        """Chinese RoBERTa: ids and word2ph to features of phones."""
        from core.nets.gpt_sovits.bert import Bert  # transformers takes seconds to import

        return self._built("a BERT model", self.settings.bert, Bert.from_checkpoint)

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """BERT's tokens and their numbers."""
        path = self.settings.tokens
        if not path.is_file():
            raise missing(path)
        return read_tokens(path)

    @cached_property
    def speaker(self) -> nn.Module:
        """The speaker net: samples (n,) at 16 kHz to a vector (20480,)."""
        return self._built("the speaker net", self.settings.speaker, SpeakerNet.from_checkpoint)

    @cached_property
    def device(self) -> torch.device:
        """Where everything computes: a GPU of NVIDIA's or the CPU."""
        found = device_of(self.settings.device)
        return torch.device("cpu") if found.type == "mps" and self.settings.device == "auto" else found

    def _built(self, what: str, path: Path, build: Callable[[dict[str, Tensor]], nn.Module]) -> nn.Module:
        weights = load_tensors(path)
        try:
            return build(weights).to(self.device)
        except (RuntimeError, KeyError) as error:
            raise BadInput("weights_wrong", f"{path} is not {what}: {error}") from error


def missing(path: Path) -> BadInput:
    """The error for a file that is not there."""
    return BadInput(
        "weights_missing",
        f"there is no file {path}; download it (see lipstream models list) or give its place",
    )


def _identity(path: Path) -> str:
    """A file as it is now: its place, size and time."""
    if not path.is_file():
        raise missing(path)
    about = path.stat()
    return f"{path.absolute()}:{about.st_size}:{about.st_mtime_ns}"
