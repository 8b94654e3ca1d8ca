"""Language identification, repeatable.

langdetect draws random n-grams. Here its factory is seeded, private (the process-wide one of langdetect is
left alone) and built once, under a lock. langdetect-rs gives the same results bit for bit, about sixty times
faster, and is used where it is installed.
"""

import threading
from functools import cache
from types import ModuleType
from typing import Any

SEED = 0
_building = threading.Lock()


def identify(text: str) -> str | None:
    """The most probable language of `text` as langdetect names it (`en`, `zh-cn`), or None.

    None where the text has nothing to go by, such as digits only. langdetect's own `unknown` is returned as
    it is: there were features, but no language reached a tenth.
    """
    module, factory = _detector()
    detector = factory.create()
    detector.append(text)
    try:
        return str(detector.detect())
    except module.LangDetectException:
        return None


def _detector() -> tuple[ModuleType, Any]:
    # The cache alone would let two threads build at once.
    with _building:
        return _build(_implementation())


@cache
def _build(module: ModuleType) -> tuple[ModuleType, Any]:
    factory = module.DetectorFactory()
    factory.load_profile(module.PROFILES_DIRECTORY)
    factory.set_seed(SEED)
    return module, factory


@cache
def _implementation() -> ModuleType:
    try:
        import langdetect_rs
    except ImportError:
        import langdetect

        return langdetect
    return langdetect_rs
