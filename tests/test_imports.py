"""What an import loads, losses needing jax and numpy alone; and that imports point down, file by file."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vae_jax"
GROUND = {"caching", "errors", "keys", "progress", "writing", "registry", "hyperparameter"}
# The floors, from the ground up. A file imports from its own room and from floors below; rooms of one floor stand side
# by side. The faces at the top hand names on.
FLOORS = (
    {"ground"},
    {"distributions"},
    {"losses", "models", "data"},
    {"training"},
    {"evaluation"},
    {"trained"},
    {"plots"},
    {"runs"},
    {"export"},
    {"explore"},
    {"commands", "sweep", "arrays"},
    {"estimator"},
    {"__init__"},
)

# Floors inside of a room that has several; "" is its own `__init__` and files that no floor names.
INSIDE = {
    "data": (
        {"meaning", "dataset", "description", "features", "preprocess", "streaming", "understood", "columns", "whole"},
        {"cache"},
        {"sources"},
        {"loading"},
        {""},
    ),
    "runs": ({"process"}, {"configuration"}, {"storage"}, {""}),
}

HEAVY = ("flax", "optax", "orbax", "tensorflow_datasets", "tensorflow", "sklearn", "matplotlib", "tyro", "tqdm", "PIL")


@pytest.mark.parametrize("module", ["vae_jax", "vae_jax.losses", "vae_jax.distributions"])
def test_importable_with_jax_alone(module):
    program = f"import sys; sys.modules.update(dict.fromkeys({HEAVY!r})); import {module}; {module}.__name__"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_flax_loads_when_the_model_is_named():
    program = "import sys, vae_jax; assert 'flax' not in sys.modules; vae_jax.VAE; assert 'flax' in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_unknown_names_are_attribute_errors():
    import vae_jax

    with pytest.raises(AttributeError, match="VEA"):
        _ = vae_jax.VEA


def imports_of(path: Path) -> set[str]:
    """The modules of the package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("vae_jax.")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vae_jax":
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if is_module(name) else str(node.module) for name in names}
    return found


def is_module(name: str) -> bool:
    path = PACKAGE.parent / Path(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): imports_of(path) for path in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str:
    name = module.split(".")[1] if "." in module else "__init__"
    return "ground" if name in GROUND else name


@pytest.mark.parametrize("module", FILES)
def test_imports_point_down(module):
    floor = {name: height for height, rooms in enumerate(FLOORS) for name in rooms}
    for other in FILES[module] - {"vae_jax"}:
        here, there = room(module), room(other)
        assert here == there or floor[here] > floor[there], f"{module} imports {other}"
        if here == there and here in INSIDE:
            assert inside(here, module) >= inside(here, other), f"{module} imports {other}"


def inside(room: str, module: str) -> int:
    """The floor of a module in its room."""
    name = (*module.split("."), "")[2]
    named = {name: height for height, names in enumerate(INSIDE[room]) for name in names}
    return named.get(name, named[""])


def test_no_circle_of_files():
    """A package's `__init__` hands names on: who imports from it imports all that it imports."""
    done, on_the_way = set(), []

    def visit(module):
        assert module not in on_the_way, f"a circle: {' -> '.join([*on_the_way, module])}"
        if module in done or module not in FILES or module == "vae_jax":
            return
        on_the_way.append(module)
        for other in sorted(FILES[module]):
            visit(other)
        on_the_way.pop()
        done.add(module)

    for module in FILES:
        visit(module)


def test_an_init_hands_names_on_and_nothing_else():
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent == PACKAGE:
            continue  # it loads flax when VAE is first named
        for node in ast.parse(path.read_text()).body:
            imports = isinstance(node, ast.ImportFrom)
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            names = isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
            assert imports or docstring or names, f"{path}:{node.lineno}"


def test_no_function_shadows_a_module():
    """`vae_jax.losses.factor` is one thing: a package hands on no name that one of its modules has."""
    for path in PACKAGE.rglob("__init__.py"):
        package = importlib.import_module(module_of(path))
        modules = {file.stem for file in path.parent.glob("*.py")}
        for name in modules & set(getattr(package, "__all__", ())):
            assert isinstance(getattr(package, name), type(ast)), f"{path}: {name}"


def test_a_sweep_can_be_imported_without_what_draws_and_reads():
    """And where a picture is asked for, the message names the package."""
    extras = [name for name in HEAVY if name not in ("flax", "optax", "orbax")]
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({extras!r}))\n"
        "import vae_jax.sweep, vae_jax.runs, vae_jax.data\n"
        "from vae_jax.plots.canvas import canvas\n"
        "try: canvas(1, 1)\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "pip install matplotlib" in done.stdout
