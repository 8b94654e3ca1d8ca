"""`icl-distill doctor`: what is installed, whether it works, and what to do where it does not."""

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from distill.installation.findings import Finding
from lm_eval_tasks import __version__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--json", action="store_true", help="the findings as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the findings as they come; 1 if something that is installed does not work."""
    findings: list[Finding] = []
    if not args.json:
        print(f"icl-distill {__version__}, Python {platform.python_version()} in {sys.prefix}", flush=True)
    for finding in examine():
        findings.append(finding)
        if not args.json:
            print(_line(finding), flush=True)
    works = all(finding.status != "problem" for finding in findings)
    if args.json:
        about: dict[str, Any] = {"version": __version__, "python": platform.python_version()}
        about |= {"prefix": sys.prefix, "ok": works, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(about, indent=1, ensure_ascii=False))
    return 0 if works else 1


def examine() -> Iterator[Finding]:
    """Every finding; what needs a part that is not there, or does not work, is left out."""
    from distill.installation.packages import MODULES, extra_finding, import_findings
    from distill.installation.surroundings import gpu_finding, hub_finding, tasks_finding
    from lm_eval_tasks.extras import DISTRIBUTION, installed

    if installed(DISTRIBUTION) is None:
        yield Finding(DISTRIBUTION, "problem", "not installed: a bare checkout", "pip install -e .")
        return
    yield from import_findings()
    works = set()
    for extra in MODULES:
        finding = extra_finding(extra)
        works |= {extra} if finding.status == "ok" else set()
        yield finding
    if "eval" in works:
        yield tasks_finding()
        yield gpu_finding()
    if "" in works:
        yield hub_finding()


def _line(finding: Finding) -> str:
    remedy = f"\n{'':22}-> {finding.remedy}" if finding.remedy else ""
    return f"{finding.status:8} {finding.name:12} {finding.found}{remedy}"
