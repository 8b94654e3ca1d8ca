"""Build hook: the task files also go where lm-evaluation-harness looks for them.

lm-eval 0.4.13 scans its own `tasks` folder only (and `--include_path`); it has no plugin discovery. So the
wheel carries a copy of our YAML files as `lm_eval/tasks/icl/`, in an editable install too.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class HarnessTasksHook(BuildHookInterface):
    """Adds `lm_eval_tasks/tasks` to the wheel a second time, as `lm_eval/tasks/icl`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before a build; `version` is `standard` or `editable`."""
        key = "force_include_editable" if version == "editable" else "force_include"
        build_data[key][f"{self.root}/lm_eval_tasks/tasks"] = "lm_eval/tasks/icl"
