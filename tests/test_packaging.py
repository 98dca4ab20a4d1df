"""What an installation holds: every package, every recipe, and what each file needs."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools import find_packages

from tfvision.cli import main
from tfvision.config.recipes import find_recipe, read_recipe_header, recipes
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


def test_list_recipes_says_in_a_line_what_each_reached(capsys: pytest.CaptureFixture) -> None:
    assert main(["list", "recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    for name, path in recipes().items():
        found = read_recipe_header(path)
        assert re.fullmatch(r"[\w -]+ [01]\.\d{4}( \[[01]\.\d{4}, [01]\.\d{4}\])?|not yet run", found.figure), name
        assert found.what and found.verb in path.read_text()
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        assert found.figure in line and found.verb in line


def test_list_recipes_prints_the_one_that_is_named(capsys: pytest.CaptureFixture) -> None:
    assert main(["list", "recipes", "cactus"]) == 0
    assert capsys.readouterr().out == (ROOT / "configs/cactus.yaml").read_text()
    assert main(["list", "recipes", "cactu"]) == 2 and "did you mean cactus" in capsys.readouterr().err
    assert main(["list", "backbones", "vgg16"]) == 2 and "takes no name" in capsys.readouterr().err


def test_list_backbones_fits_a_terminal_with_all_stages(capsys: pytest.CaptureFixture) -> None:
    assert main(["list", "backbones"]) == 0
    text = capsys.readouterr().out
    rows = text[: text.index("beside a family")].splitlines()
    assert max(map(len, rows)) <= 80 and "…" not in text
    assert "MobileNetV2: Conv1 expanded_conv block_1..16 Conv_1" in rows


def test_version_and_help_need_no_tensorflow() -> None:
    code = "import sys, tfvision.cli; sys.argv = ['tfvision', 'list', 'recipes']; tfvision.cli.main()\n"
    code += "assert not {'tensorflow', 'keras', 'cv2', 'sklearn', 'matplotlib', 'keras_hub'} & sys.modules.keys(), 'heavy import'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
