"""Tiny random models of many architectures: two layers, windows of 16 tokens."""

from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

VOCABULARY = 97
WINDOW = 16


@dataclass(frozen=True)
class Architecture:
    """One to be tried.

    Attributes:
        name: As in the table of `docs/models.md`.
        model_type: transformers' name.
        changes: To the common configuration.
        nested: Whether the text model's configuration is a part of the model's.
        fast: Whether rows are packed behind a shared prefix; else they are run in full.
    """

    name: str
    model_type: str
    changes: dict[str, Any] = field(default_factory=dict)
    nested: bool = False
    fast: bool = True

    def build(self, attention: str | None = None, seed: int = 0) -> PreTrainedModel:
        """The same random float32 weights each time, in evaluation mode."""
        common = {
            "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512,
            "initializer_range": 0.2, "attention_dropout": 0.0, "pad_token_id": 0, "bos_token_id": 1,
            "eos_token_id": 2,
        }  # fmt: skip
        settings = common | self.changes
        if self.nested:
            settings = {"text_config": settings, **_NO_PICTURES}
        config = AutoConfig.for_model(self.model_type, **settings)
        torch.manual_seed(seed)
        options = {} if attention is None else {"attn_implementation": attention}
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32, **options).eval()


_NO_PICTURES = {
    "vision_config": {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 8, "patch_size": 4,
    },
    "mm_tokens_per_image": 4, "image_token_index": 95, "boi_token_index": 94, "eoi_token_index": 93,
}  # fmt: skip
_EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_ALTERNATING = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": WINDOW}
_MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_expand": 2,
          "mamba_chunk_size": 8, "mamba_d_ssm": 64}  # fmt: skip

ARCHITECTURES = [
    Architecture("Llama", "llama"),
    Architecture("Qwen2 (sliding)", "qwen2", _ALTERNATING | {
        "use_sliding_window": True, "max_window_layers": 1}),
    Architecture("Qwen3", "qwen3"),
    Architecture("Qwen3-MoE", "qwen3_moe", _EXPERTS),
    Architecture("Qwen3-Next", "qwen3_next", _EXPERTS | {
        "layer_types": ["linear_attention", "full_attention"], "linear_num_value_heads": 4,
        "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
        "shared_expert_intermediate_size": 32}, fast=False),
    Architecture("Mistral", "mistral", {"sliding_window": WINDOW}),
    Architecture("Mixtral", "mixtral", _EXPERTS | {"sliding_window": WINDOW}),
    Architecture("Phi-3", "phi3", {"sliding_window": WINDOW}),
    Architecture("Starcoder2", "starcoder2", {"sliding_window": WINDOW}),
    Architecture("Gemma 2", "gemma2", _ALTERNATING | {
        "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0, "query_pre_attn_scalar": 8}),
    Architecture("Gemma 3 (text)", "gemma3_text", _ALTERNATING | {"query_pre_attn_scalar": 8}),
    Architecture("Gemma 3 (conditional generation)", "gemma3", _ALTERNATING | {"query_pre_attn_scalar": 8},
                 nested=True),
    Architecture("Cohere", "cohere", {"logit_scale": 0.25}),
    Architecture("Cohere 2", "cohere2", _ALTERNATING | {"logit_scale": 0.25}),
    Architecture("Granite", "granite", {"logits_scaling": 4.0, "attention_multiplier": 0.3,
                                        "residual_multiplier": 0.5, "embedding_multiplier": 2.0}),
    Architecture("GraniteMoeHybrid", "granitemoehybrid", _EXPERTS | _MAMBA | {
        "layer_types": ["mamba", "attention"], "shared_intermediate_size": 32, "logits_scaling": 4.0},
        fast=False),
    Architecture("Falcon-H1", "falcon_h1", _MAMBA | {"lm_head_multiplier": 0.5}, fast=False),
    Architecture("LFM2", "lfm2", {
        "layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False}, fast=False),
    Architecture("OLMo 3", "olmo3", _ALTERNATING),
    Architecture("GPT-OSS", "gpt_oss", _EXPERTS | _ALTERNATING),
    Architecture("DeepSeek-V3", "deepseek_v3", {
        "num_key_value_heads": 4, "head_dim": 4, "kv_lora_rank": 8, "q_lora_rank": 16, "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 8, "v_head_dim": 8, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1,
        "topk_group": 1, "moe_intermediate_size": 32, "first_k_dense_replace": 1}),
    Architecture("Llama 4 (chunked)", "llama4_text", _EXPERTS | {
        "layer_types": ["chunked_attention", "full_attention"], "attention_chunk_size": WINDOW,
        "intermediate_size_mlp": 64, "no_rope_layers": [1, 0], "num_experts_per_tok": 1}),
    Architecture("Mamba 2", "mamba2", {
        "num_heads": 4, "head_dim": 16, "state_size": 8, "n_groups": 1, "expand": 2, "chunk_size": 8,
        "conv_kernel": 4}, fast=False),
]  # fmt: skip
