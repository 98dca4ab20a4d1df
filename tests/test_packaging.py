"""What an installation holds: every package, every recipe, and what each file needs."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools import find_packages

from tfvision.cli import main
from tfvision.config.recipes import find_recipe, header, recipes
from tfvision.errors import UsageError

ROOT = Path(__file__).parent.parent
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")


def test_every_package_is_installed() -> None:
    assert SETUP["options"]["packages"] == "find:"
    found = set(find_packages(str(ROOT), include=SETUP["options.packages.find"]["include"].split()))
    holding = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "tfvision").rglob("*.py")}
    assert found == holding  # a folder without __init__.py would be left out
    assert "tfvision.configs" in found
    assert SETUP["options"]["package_dir"].split() == ["tfvision.configs", "=", "configs"]
    assert SETUP["options.package_data"]["tfvision.configs"] == "*.yaml"


def test_recipes_are_found_by_name_and_files_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_recipe("earth_mobilenet_v2") == ROOT / "configs" / "earth_mobilenet_v2.yaml"
    assert find_recipe("mine.yaml") == Path("mine.yaml")
    (tmp_path / "digits").write_text("seed: 1\n")
    assert find_recipe("digits") == Path("digits")
    with pytest.raises(UsageError, match="did you mean earth_mobilenet_v2"):
        find_recipe("earth_mobilenetv2")


def test_list_recipes_says_what_each_does_and_reached(capsys: pytest.CaptureFixture) -> None:
    assert main(["list", "recipes"]) == 0
    text = capsys.readouterr().out
    for name in recipes():
        assert f"{name}\n    " in text
    for name, path in recipes().items():
        figure = header(path)[1]
        assert re.search(r"test .*0\.\d{4}|not yet run|val_f1 [01]\.\d{4}", figure), name
        assert figure in text


def test_version_and_help_need_no_tensorflow() -> None:
    code = "import sys, tfvision.cli; sys.argv = ['tfvision', 'list', 'recipes']; tfvision.cli.main()\n"
    code += "assert not {'tensorflow', 'keras', 'cv2', 'sklearn', 'matplotlib', 'keras_hub'} & sys.modules.keys(), 'heavy import'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
