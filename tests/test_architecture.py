"""The plan of the house: rooms in an order, imports that only go down it, no circles, no private names from elsewhere."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent

# A room imports from rooms further down only. Rooms on one line do not import each other.
ORDER = (
    ("tfvision", "__main__"),
    ("cli",),
    ("notebook",),
    ("search", "crossval", "learning_curve", "seeds", "ensembles"),
    ("experiment",),
    ("comparison", "decisions", "robustness", "explain", "audit", "export", "doctor", "tracking"),
    ("report",),
    ("prediction",),
    ("runs",),
    ("training",),
    ("plots",),
    ("evaluation",),
    ("models",),
    ("data",),
    ("config",),
    ("system",),
    ("tasks",),
    ("errors", "version", "configs"),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}


@dataclass(frozen=True)
class Arrow:
    """An import of `name` (None for a module) from `target` in `source`, both modules, wherever it stands."""

    source: str
    target: str
    name: str | None

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}" + (f": {self.name}" if self.name else "")


def read_arrows(folder: Path) -> tuple[set[str], list[Arrow]]:
    """Read every import of the package in `folder`: in functions and under TYPE_CHECKING too."""
    modules = {_module(path, folder): path for path in sorted(folder.rglob("*.py"))}
    arrows = [arrow for name, path in modules.items() for arrow in _arrows(name, path, set(modules), folder.name)]
    return set(modules), arrows


def _module(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _arrows(source: str, path: Path, modules: set[str], package: str) -> Iterator[Arrow]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: a relative import"
            if (node.module or "").split(".")[0] == package:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield Arrow(source, inner, None) if inner in modules else Arrow(source, node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == package:
                    yield Arrow(source, alias.name, None)


def room(module: str) -> str:
    """Return the room of a module: the folder or file of the top level that it is in."""
    return module.split(".")[1] if "." in module else module


def find_circle(arrows: list[Arrow]) -> list[str]:
    """Return the modules of a circle of imports, or none."""
    graph: dict[str, set[str]] = {}
    for arrow in arrows:
        graph.setdefault(arrow.source, set()).add(arrow.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def arrows_up(arrows: list[Arrow]) -> list[str]:
    """Return the imports that leave their room for one that does not stand further down."""
    return [
        str(arrow)
        for arrow in arrows
        if room(arrow.source) != room(arrow.target) and RANK[room(arrow.source)] >= RANK[room(arrow.target)]
    ]


def private_names(arrows: list[Arrow]) -> list[str]:
    """Return the imports of names with an underscore from another room."""
    return [
        str(arrow)
        for arrow in arrows
        if (arrow.name or arrow.target.rpartition(".")[2]).startswith("_")
        and not (arrow.name or "").startswith("__")
        and room(arrow.source) != room(arrow.target)
    ]


MODULES, ARROWS = read_arrows(ROOT / "tfvision")


def test_imports_are_found() -> None:
    assert len(MODULES) > 150
    assert len(ARROWS) > 1000


def test_no_circle_of_imports() -> None:
    assert find_circle(ARROWS) == []


def test_no_import_goes_up_the_order_of_rooms() -> None:
    assert arrows_up(ARROWS) == []


def test_no_private_name_is_imported_from_another_room() -> None:
    assert private_names(ARROWS) == []


def test_every_room_stands_in_the_order() -> None:
    assert {room(module) for module in MODULES} == set(RANK)


def test_each_fault_is_seen(tmp_path: Path) -> None:
    files = {
        "data/a.py": "def f():\n    from tfvision.data.b import x\n",
        "data/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tfvision.data import a\n",
        "config/c.py": "from tfvision.data.a import f\n",
        "plots/d.py": "from tfvision.data.b import _hidden\n",
        "crossval/e.py": "import tfvision.search.g\n",
        "search/g.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "tfvision" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    _, arrows = read_arrows(tmp_path / "tfvision")
    assert set(find_circle(arrows)) == {"tfvision.data.a", "tfvision.data.b"}
    assert arrows_up(arrows) == [
        "tfvision.config.c -> tfvision.data.a: f",
        "tfvision.crossval.e -> tfvision.search.g",
    ]
    assert private_names(arrows) == ["tfvision.plots.d -> tfvision.data.b: _hidden"]


def test_public_names_mean_one_thing() -> None:
    """A function, class or constant has a name of its own in the package; in cli/ verbs are called as they are typed."""
    places: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tfvision").rglob("*.py")):
        if path.parent.name == "cli":
            continue
        for name in _defined(ast.parse(path.read_text(encoding="utf-8"))):
            places.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    assert len(places) > 500
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))
