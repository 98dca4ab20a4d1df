"""What `import tfvision` gives: a function a verb, the same that the command line calls, whatever was imported before."""

import argparse
import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tfvision
from tfvision.cli import build_parser

ROOT = Path(__file__).parent.parent


def verb_names() -> list[str]:
    """Return the verbs as they are typed."""
    (verbs,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    return list(verbs.choices)


# Of the command line, but those that only list what is there, and the shell's own.
VERBS = sorted(name.replace("-", "_") for name in verb_names() if name not in ("list", "cache", "completion"))


def test_verbs_are_found() -> None:
    assert len(VERBS) >= 11


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_function_for_notebooks_too(verb: str) -> None:
    assert verb in tfvision._PUBLIC, f"enter {verb} in _PUBLIC of tfvision/__init__.py"


@pytest.mark.parametrize("name", [name for name in tfvision.__all__ if name != "__version__"])
def test_every_public_name_stands_in_the_python_api(name: str) -> None:
    module = tfvision._PUBLIC[name]
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert f"::: tfvision.{name}\n" in page or f"::: {module}.{name}\n" in page, f"add {name} to docs/api.md"


@pytest.mark.parametrize("name", [name for name in tfvision.__all__ if name != "__version__"])
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(tfvision, name)
    assert name in dir(tfvision)
    assert name == "BACKBONES" or found.__doc__


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_of_the_command_line_calls_the_public_function(verb: str) -> None:
    """Each file in cli/ imports the function of its verb from the place where the package finds it."""
    module = tfvision._PUBLIC[verb]
    imports = {
        (node.module, alias.name)
        for path in (ROOT / "tfvision" / "cli").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert len(imports) > 50
    assert (module, verb) in imports


def test_rooms_do_not_hide_the_functions_that_are_called_like_them() -> None:
    code = (
        "import tfvision, tfvision.audit.options, tfvision.search.settings, tfvision.crossval.scores, tfvision.export\n"
        "import tfvision.learning_curve.plan\n"
        "from tfvision.export import check\n"
        "names = ('audit', 'search', 'crossval', 'learning_curve', 'export')\n"
        "assert all(getattr(tfvision, name).__name__ == name for name in names)\n"
        "assert check.Agreement\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
