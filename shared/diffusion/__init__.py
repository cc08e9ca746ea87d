"""What the families share: loading, memory, samplers, step caches, LoRA, previews."""

import logging

# What torchao 0.18 says while diffusers imports it is about kernels for other hardware; nothing is missing here.
for _name in ("torchao", "torch.utils._pytree", "diffusers.quantizers.torchao.torchao_quantizer"):
    logging.getLogger(_name).setLevel(logging.ERROR)
