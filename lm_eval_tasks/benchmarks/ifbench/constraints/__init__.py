"""The 58 constraints of IFBench; every file in here is imported, and declares some.

Verdicts equal those of the public checkers, their defects included (listed in docs/ifbench.md).
"""

import pkgutil
from importlib import import_module

from lm_eval_tasks.scoring.constraints.registry import OWN

for _file in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")

IDS = tuple(sorted(id for id, one in OWN.items() if one.origin.startswith(__name__)))
