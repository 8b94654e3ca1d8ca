"""Build hook: the task files also go where lm-evaluation-harness looks for them.

lm-eval 0.4.13 scans its own `tasks` folder only (and `--include_path`); it has no plugin discovery. So the
wheel carries a copy of our YAML files as `lm_eval/tasks/icl/`, in an editable install too.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class HarnessTasksHook(BuildHookInterface):
    """Adds the task files of `lm_eval_tasks/benchmarks` to the wheel again, as `lm_eval/tasks/icl`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before a build; `version` is `standard` or `editable`."""
        key = "force_include_editable" if version == "editable" else "force_include"
        benchmarks = Path(self.root) / "lm_eval_tasks" / "benchmarks"
        for pattern in ("*.yaml", "_*_yaml", "README.md"):
            for file in sorted(benchmarks.rglob(pattern)):
                build_data[key][str(file)] = f"lm_eval/tasks/icl/{file.relative_to(benchmarks).as_posix()}"
