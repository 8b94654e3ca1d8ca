"""One short log-likelihood, by which two states of a model are told apart."""

from typing import Any

from lm_eval.api.instance import Instance

_PROBE = ("The quick brown fox", " jumps over the lazy dog. Then it went home and slept until the morning.")
"""A context and a continuation; an adapter must change the continuation's log-likelihood."""


def probe(lm: Any) -> float:
    """The log-likelihood of the probe's continuation."""
    request = Instance(request_type="loglikelihood", doc={}, arguments=_PROBE, idx=0)
    return float(lm.loglikelihood([request], disable_tqdm=True)[0][0])
