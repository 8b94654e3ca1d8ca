"""Each extra: installed, within its bounds, importable; and what hides what on the import path."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from distill.installation.findings import Finding, Status
from lm_eval_tasks.extras import DISTRIBUTION, install_command, installed, requirements

MODULES = {
    "": "distill.commands.score, datasets, langdetect, math_verify, punkt",
    "eval": "lm_eval_tasks.harness.task, distill.evaluation.hf_engine",
    "train": "distill.training.trainer, distill.pipeline.runner",
    "vllm": "distill.evaluation.vllm_engine",
    "report": "distill.report.write, jinja2, markdown_it, matplotlib, scipy",
}
"""By extra, what needs all of it; the scorers import their libraries when they first need them."""

IMPORTED = (
    "lm_eval_tasks",
    "distill",
    "trl_recipes",
    "lm_eval",
    "datasets",
    "torch",
    "transformers",
    "trl",
    "peft",
)
"""Packages that something else of their name may hide."""


def extra_finding(extra: str) -> Finding:
    """Whether what an extra brings is there and works.

    Args:
        extra: A key of `MODULES`.
    """
    name, wanted = extra or "base", requirements(extra)
    versions = {line.name: installed(line.name) for line in wanted}
    missing = [package for package, version in versions.items() if version is None]
    command = install_command(extra) if extra else f"pip install {DISTRIBUTION}"
    if missing:
        status: Status = "absent" if extra else "problem"
        return Finding(name, status, f"not installed: {', '.join(missing)}", command)
    outside = [
        f"{line.name} {versions[line.name]} is not {line.specifier}"
        for line in wanted
        if not line.specifier.contains(versions[line.name] or "", prereleases=True)
    ]
    if outside:
        return Finding(name, "problem", "; ".join(outside), command)
    if error := import_error(MODULES[extra]):
        return Finding(name, "problem", error, f"mend what the message names, or install again: {command}")
    return Finding(name, "ok", ", ".join(f"{package} {version}" for package, version in versions.items()))


def import_error(modules: str) -> str | None:
    """Why modules cannot be imported; None: they can. A broken library ends a process of its own alone."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    process = subprocess.run(
        [sys.executable, "-P", "-c", f"import {modules}"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if process.returncode == 0:
        return None
    said = process.stderr.strip().splitlines()
    return f"import {modules}: {said[-1] if said else f'ended with {process.returncode}'}"


def import_findings() -> Iterator[Finding]:
    """Packages that stand twice on the import path, and folders that are no package and hide one."""
    for name in IMPORTED:
        folders = _places(name)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is None:
            yield Finding(
                name,
                "problem",
                f"{', '.join(map(str, folders))} has no __init__.py and hides every installation of {name}",
                "delete that folder (an earlier version of icl-distill, or an uninstalled package, left it)",
            )
        elif spec is not None and len(folders) > 1:
            used = Path(spec.origin or "").parent
            hidden = [str(folder) for folder in folders if folder != used.resolve()]
            yield Finding(name, "note", f"imported from {used}; hides {', '.join(hidden)}")


def _places(name: str) -> list[Path]:
    """The folders of that name on the import path, without repeats."""
    folders = ((Path(entry) / name).resolve() for entry in sys.path)
    return list(dict.fromkeys(folder for folder in folders if folder.is_dir()))
