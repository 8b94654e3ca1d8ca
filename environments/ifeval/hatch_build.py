"""Metadata hook: in a checkout, `icl-distill` is the checkout itself and no package of an index."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

NAME = "icl-distill"


class CheckoutHook(MetadataHookInterface):
    """Fills in the dependencies from the hook table: so `pip install environments/ifeval` works."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling when it reads the project's metadata."""
        project = Path(self.root).parents[1]
        in_checkout = (project / "lm_eval_tasks" / "__init__.py").is_file()
        metadata["dependencies"] = [
            f"{NAME} @ {project.as_uri()}" if in_checkout and name.startswith(NAME) else name
            for name in self.config["dependencies"]
        ]
