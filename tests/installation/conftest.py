import pytest

from .environments import (
    Environment,
    asked_for,
    build_wheel,
    clone_harness,
    copy_checkout,
    link_libraries,
)

pytest.importorskip("hatchling", reason="builds the wheel; part of the extra `dev`")
pytest.importorskip("editables", reason="hatchling needs it for editable installs; part of the extra `dev`")


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """`libraries(extra, ...)`: a folder with what the base install and extras ask for; made once each."""
    made = {}

    def make(*extras, also=()):
        key = (*extras, *also)
        if key not in made:
            # dill, which datasets asks for fingerprints, knows libraries by this name.
            folder = tmp_path_factory.mktemp("libraries") / "site-packages"
            made[key] = link_libraries(folder, asked_for(*extras) + list(also))
        return made[key]

    return make


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp("checkout") / "icl-distill")


@pytest.fixture(scope="session")
def wheel(checkout, tmp_path_factory):
    return build_wheel(checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def harness_wheel(tmp_path_factory):
    """`harness_wheel(version)`: lm-eval as a wheel."""
    made = {}

    def make(version):
        if version not in made:
            clone = clone_harness(tmp_path_factory.mktemp("clone") / "lm-eval", version)
            made[version] = build_wheel(clone, tmp_path_factory.mktemp("harness"))
        return made[version]

    return make


@pytest.fixture
def make_environment(tmp_path):
    """`make_environment(libraries, ...)`: see `Environment`."""
    return lambda libraries, **options: Environment(tmp_path / "environment", libraries, **options)
