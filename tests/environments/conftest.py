"""These run in the environment of scripts/environment/setup.sh; elsewhere they are skipped."""

import json

import pytest


@pytest.fixture
def folder(tmp_path):
    """Writes `rlvr_ifeval/<split>.jsonl` files and returns the data folder."""

    def write(**splits):
        (tmp_path / "rlvr_ifeval").mkdir(exist_ok=True)
        for name, rows in splits.items():
            lines = (line if isinstance(line, str) else json.dumps(line) for line in rows)
            (tmp_path / "rlvr_ifeval" / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        return str(tmp_path)

    return write
