"""What is used of diffusers, imported so that a torchvision that does not fit torch does no harm."""

# First: diffusers imports transformers, and this does so without such a torchvision.
import core.nets.huggingface  # noqa: F401  # for what it does

# isort: split
import diffusers.utils.logging
import transformers.utils.logging
from diffusers import AutoPipelineForText2Image, StableDiffusionPipeline, StableDiffusionXLPipeline

for library in (diffusers.utils.logging, transformers.utils.logging):
    library.disable_progress_bar()  # one a part of a checkpoint; the user has one of ours

__all__ = ["AutoPipelineForText2Image", "StableDiffusionPipeline", "StableDiffusionXLPipeline"]
