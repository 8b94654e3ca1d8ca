"""How many GPUs there are, in words that fit a message."""

import os


def gpus_here() -> tuple[int, str]:
    """The number of usable GPUs, and a sentence part with what CUDA_VISIBLE_DEVICES says of them."""
    import torch  # takes seconds, and is asked for by few

    count = torch.cuda.device_count()
    words = f"{count} GPU{'' if count == 1 else 's'} can be used here"
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named:
        words += f" (CUDA_VISIBLE_DEVICES names {len(named.split(','))}: {named})"
    return count, words
