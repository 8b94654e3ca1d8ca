"""Throw-away environments: pip builds, installs and uninstalls there, without a network.

What our packages depend on is linked from this environment, exactly as far as their metadata asks for it;
lm-eval is a distribution built here, of the installed one's files, so that pip may do to it what it likes.
"""

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import lm_eval
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILT_HERE = {"icl-distill", "lm-eval"}
OFFLINE = ["--no-deps", "--no-index", "--no-build-isolation"]
HARNESS = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "lm_eval"
version = "{version}"
[project.scripts]
lm_eval = "lm_eval.__main__:cli_evaluate"
[tool.setuptools.packages.find]
include = ["lm_eval*"]
[tool.setuptools.package-data]
lm_eval = ["**/*.yaml", "tasks/**/*"]
"""
"""A flat layout, as in lm-eval's repository: an editable install is found after every folder of the path."""


def asked_for(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for: of the base install, and of extras with those within them."""
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    found = []
    for line in map(Requirement, lines):
        found += asked_for(*line.extras) if line.name == "icl-distill" else [line]
    return found


def link_libraries(folder: Path, wanted: list[Requirement]) -> Path:
    """A folder of links to the distributions that `wanted` come to, as they are installed here."""
    folder.mkdir()
    seen: set[tuple[str, str]] = set()
    while wanted:
        line = wanted.pop()
        for extra in line.extras | {""}:
            key = (canonicalize_name(line.name), extra)
            if key in seen or (line.marker and not line.marker.evaluate({"extra": ""})):
                continue
            seen.add(key)
            try:
                found = distribution(line.name)
            except PackageNotFoundError:
                continue  # optional on this platform, or not there in an environment that works all the same
            if key[0] not in BUILT_HERE:
                _link(found, folder)
            needed = (Requirement(text) for text in found.requires or ())
            wanted += [
                Requirement(str(more).partition(";")[0])
                for more in needed
                if more.marker is None or more.marker.evaluate({"extra": extra})
            ]
    return folder


def _link(found, folder):
    site = Path(str(found.locate_file("")))
    for name in {file.parts[0] for file in found.files if file.parts[0] not in ("..", "__pycache__")}:
        if not (folder / name).exists():
            (folder / name).symlink_to(site / name)


def copy_checkout(target: Path) -> Path:
    """The files of the project that a build reads."""
    for name in ("lm_eval_tasks", "distill", "trl_recipes", "configs", "tests"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, target)
    return target


def clone_harness(target: Path, version: str) -> Path:
    """A repository of lm-eval with one folder of its ten thousand task files."""

    def others(at: str, names: list[str]) -> set[str]:
        folders = {name for name in names if (Path(at) / name).is_dir()}
        return (folders - {"gsm8k"} if Path(at).name == "tasks" else set()) | ({"__pycache__"} & folders)

    shutil.copytree(Path(lm_eval.__file__).parent, target / "lm_eval", ignore=others)
    (target / "pyproject.toml").write_text(HARNESS.format(version=version), encoding="utf-8")
    return target


def build_wheel(project: Path, target: Path) -> Path:
    """The wheel that pip makes of a folder or of an sdist."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", *OFFLINE, "--wheel-dir", target, project]
    subprocess.run(command, check=True)
    (wheel,) = target.glob("*.whl")
    return wheel


class Environment:
    """A virtual environment that has `libraries` and nothing of ours."""

    def __init__(self, folder: Path, libraries: Path, *, user: bool = False) -> None:
        venv.create(folder, with_pip=False, system_site_packages=user)
        self.folder, self.bin = folder, folder / "bin"
        self.site = next(folder.glob("lib/python*/site-packages"))
        # Read after the environment's own folder.
        (self.site / "libraries.pth").write_text(str(libraries))
        self.variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.variables |= {"PYTHONUSERBASE": str(folder / "user"), "HF_HUB_OFFLINE": "1"}

    def pip(self, *words: str | Path) -> None:
        """Run this environment's pip on that one."""
        command = [sys.executable, "-m", "pip", "--python", self.bin / "python", "--quiet", *words]
        subprocess.run(command, check=True, env=self.variables)

    def install(self, *words: str | Path) -> None:
        """Install without a network; modules are compiled once they are imported."""
        self.pip("install", "--no-compile", *OFFLINE, *words)

    def run(self, *words: str | Path, cwd: Path | None = None, **variables: str | Path):
        """Run a command with this environment's Python, away from every checkout."""
        return subprocess.run(
            [self.bin / "python", *words],
            cwd=cwd or self.folder,
            env=self.variables | {name: str(value) for name, value in variables.items()},
            capture_output=True,
            text=True,
        )

    def ask(self, code: str, *words: str | Path, **options) -> str:
        """What a program prints; it must not fail."""
        done = self.run("-c", code, *words, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def icl(self, *words: str | Path, **options):
        """`icl-distill`, wherever it is installed."""
        return self.run("-P", "-m", "distill.cli", *words, **options)
