import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> str:
    """The folder with copies of the real benchmarks, where this machine has it."""
    folder = Path(os.environ.get("ICL_DATA_DIR") or Path(__file__).parents[3] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the real benchmark data are not here ({folder}); set ICL_DATA_DIR")
    return str(folder)
