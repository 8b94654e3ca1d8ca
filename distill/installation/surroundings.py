"""What an installation finds around it: lm-eval's task folder, GPUs, the Hugging Face hub."""

import http.client
import urllib.error
import urllib.request

from distill.installation.findings import Finding
from distill.installation.harness_tasks import WITHOUT_LINKS, linkable
from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.errors import UserError

HUB_TIMEOUT = 3.0
"""Seconds that the hub has to answer."""


def tasks_finding() -> Finding:
    """Whether the lm-eval that is imported finds the tasks without a flag; needs the extra `eval`."""
    from lm_eval_tasks.sources.harness_index import known_tasks, read_index

    wanted = read_index(TASK_DIR)
    missing = [name for name in wanted if name not in known_tasks()]
    if not missing:
        return Finding("tasks", "ok", f"lm_eval finds all {len(wanted)} without a flag")
    found = f"lm_eval finds {len(wanted) - len(missing)} of {len(wanted)} without a flag"
    try:
        linkable()
    except UserError as error:
        return Finding("tasks", "note", f"{found}. {error}", WITHOUT_LINKS)
    return Finding("tasks", "note", found, f"icl-distill link-tasks, or {WITHOUT_LINKS}")


def gpu_finding() -> Finding:
    """The GPUs that torch sees; needs the extra `eval`."""
    import torch

    if not torch.cuda.is_available():
        return Finding("gpu", "note", f"none for torch {torch.__version__}: models run on the CPU")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Finding("gpu", "ok", ", ".join(names))


def hub_finding() -> Finding:
    """Whether the hub answers; needs the base install."""
    from huggingface_hub import constants

    remedy = "offline: give folders as models, and ICL_DATA_DIR or --data sample as data"
    if constants.HF_HUB_OFFLINE:
        return Finding("hub", "note", "not asked: HF_HUB_OFFLINE is set", remedy)
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=HUB_TIMEOUT).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Finding("hub", "note", f"{constants.ENDPOINT} cannot be reached ({error})", remedy)
    return Finding("hub", "ok", f"{constants.ENDPOINT} answers")
