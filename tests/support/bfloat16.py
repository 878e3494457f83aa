"""Which tests want packed kernels in bfloat16, which many processors lack. Needs torch."""

import pytest
import torch

from core.nets.packed import can_pack

needs_bfloat16 = pytest.mark.skipif(
    not can_pack(torch.bfloat16), reason="this processor packs no bfloat16 (AVX-512, or ARM's bf16)"
)
BFLOAT16 = pytest.param(torch.bfloat16, id="bfloat16", marks=needs_bfloat16)
