"""A run before its trainer exists."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl import ModelConfig, SFTConfig

from distill.training.config import DataArguments
from distill.training.data import TrainingData


@dataclass(frozen=True, slots=True)
class Run:
    """A run before its trainer exists.

    Attributes:
        data_args: Which rows and demonstrations.
        model_args: TRL's model and PEFT keys.
        args: TRL's `SFTConfig`, or a subclass.
        settings: What the files and the command line gave, merged.
        tokenizer: The model's.
        data: Tokenised rows.
    """

    data_args: DataArguments
    model_args: ModelConfig
    args: SFTConfig
    settings: dict[str, Any]
    tokenizer: PreTrainedTokenizerBase
    data: TrainingData
