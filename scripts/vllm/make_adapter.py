"""A LoRA adapter with random weights: a canary that answers differently, or the adapter was not loaded.

.venv-vllm/bin/python scripts/vllm/make_adapter.py MODEL FOLDER
"""

import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def main() -> None:
    """Write the adapter."""
    model, folder = sys.argv[1:]
    torch.manual_seed(0)
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(model), config).save_pretrained(folder)


if __name__ == "__main__":
    main()
