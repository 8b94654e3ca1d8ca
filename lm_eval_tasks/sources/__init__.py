"""Where episodes come from: one `Source` a task, whatever it is made of; see `open_source`."""

from lm_eval_tasks.sources.spec import TaskSpec, open_source

__all__ = ["TaskSpec", "open_source"]
