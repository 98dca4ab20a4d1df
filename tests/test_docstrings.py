"""What the docstrings of public functions say: most of those that take several arguments explain them."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
GOAL = 0.85  # the rest are functions whose names, types and one sentence say it all


def test_most_functions_of_several_arguments_explain_them() -> None:
    functions = {
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}": "Args:" in (ast.get_docstring(function) or "")
        for path in sorted((ROOT / "tfvision").rglob("*.py"))
        for function in public_functions(ast.parse(path.read_text()))
        if len(parameters(function)) >= 2
    }
    assert len(functions) > 100, "hardly any function was found"
    missing = [name for name, explained in functions.items() if not explained]
    share = 1 - len(missing) / len(functions)
    listed = "\n".join(missing)
    assert share >= GOAL, (
        f"{share:.1%} of {len(functions)} have an Args section, expected {GOAL:.0%}; missing:\n{listed}"
    )


def public_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield functions of a module and methods of its public classes whose names have no underscore in front."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name[0] != "_")


def parameters(function: ast.FunctionDef) -> list[str]:
    """Return the names of all parameters but `self` and `cls`, `*args` and `**options` included."""
    given = function.args
    starred = [each for each in (given.vararg, given.kwarg) if each]
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs, *starred)]
    return [name for name in names if name not in ("self", "cls")]
