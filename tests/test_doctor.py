"""The doctor: what it finds, what it says mends it, and that nothing that is broken breaks it."""

import configparser
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import time
from email.message import Message
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import tfvision
from tfvision.cli import main
from tfvision.doctor import machine, requirements
from tfvision.doctor.backend import start_tensorflow
from tfvision.doctor.diagnosis import Diagnosis, HealthCheck
from tfvision.doctor.requirements import TESTED, check_requirements, found_version, stated_requirements
from tfvision.doctor.settings import check_settings
from tfvision.doctor.storage import check_caches, check_weights
from tfvision.errors import UsageError

ROOT = Path(__file__).parent.parent
# What answers as TensorFlow and Keras would, in no time.
WORKING = """
class Tensor:
    def __matmul__(self, other): return self
    def __float__(self): return 8.0
class config:
    list_physical_devices = staticmethod(lambda kind: [])
class sysconfig:
    get_build_info = staticmethod(dict)
ones = reduce_sum = lambda given: Tensor()
__version__ = "9.9.9"
"""
KERAS = "import tensorflow\n__version__ = '9.9'\nclass config:\n    backend = staticmethod(lambda: 'tensorflow')\n"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a TensorFlow of a few lines, and a Keras that imports it, before the real ones."""

    def write(text: str = WORKING) -> None:
        for name, content in (("tensorflow", text), ("keras", KERAS)):
            (tmp_path / "fake" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "fake" / name / "__init__.py").write_text(content)
        monkeypatch.syspath_prepend(tmp_path / "fake")

    monkeypatch.chdir(tmp_path)
    return write


def faults(checks: list[HealthCheck]) -> list[str]:
    return [check.says for check in checks if check.state == "wrong"]


# ---- TensorFlow in its own process


@pytest.mark.parametrize(
    ("text", "says", "remedy"),
    [
        (
            "raise ImportError('libcudart.so.12: cannot open shared object file')",
            "libcudart.so.12",
            "--force-reinstall",
        ),
        ("raise ModuleNotFoundError(\"No module named 'tensorflow'\")", "not installed", "pip install 'tensorflow>="),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
            "crashed while it started (SIGSEGV)",
            "pip install",
        ),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGILL)", "AVX", ""),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "want of memory", ""),
        ("import os\nos._exit(3)", "exit status 3", "--force-reinstall"),
        (WORKING.replace("8.0", "7.0"), "computes wrongly", "--force-reinstall"),
    ],
)
def test_a_tensorflow_that_fails_is_a_finding(fake, text: str, says: str, remedy: str) -> None:
    fake(text)
    found, check = start_tensorflow().wait(60)
    assert found is None and check.state == "wrong"
    assert says in check.says and remedy in check.remedy and "\n" not in check.says


def test_a_tensorflow_that_hangs_is_a_finding_and_leaves_no_process(fake) -> None:
    fake("import time\ntime.sleep(600)")
    started, since = start_tensorflow(), time.monotonic()
    found, check = started.wait(1)
    assert found is None and "did not start within 1 s" in check.says and check.state == "wrong"
    assert time.monotonic() - since < 20 and started.process.poll() is not None


def test_a_tensorflow_that_says_much_does_not_block(fake) -> None:
    fake("import sys\nsys.stderr.write('x' * 1_000_000)\nprint('y' * 1_000_000)\n" + WORKING)
    found, check = start_tensorflow().wait(60)
    assert found and found["tensorflow"] == "9.9.9" and check.state == "ok"


@pytest.mark.slow  # it imports TensorFlow
def test_the_real_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["healthy"] and found["tensorflow"]["tensorflow"] == importlib.metadata.version("tensorflow")
    assert found["tensorflow"]["backend"] == "tensorflow" and found["tensorflow"]["seconds"] > 0


# ---- the verb


def test_the_verb_says_all_and_ends_with_0(fake, capsys: pytest.CaptureFixture) -> None:
    fake()
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for topic in (
        "python",
        "packages",
        "extras",
        "tensorflow",
        "settings",
        "processor",
        "memory",
        "disk",
        "gpu",
        "cache",
    ):
        assert f"ok     {topic} " in said, topic
    assert said.splitlines()[-1].startswith("nothing here stops a training")


def test_another_backend_is_found_and_ends_with_4(
    fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    fake()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert main(["doctor", "--json"]) == 4
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert not found["healthy"] and found["tensorflow"]["tensorflow"] == "9.9.9"
    (fault,) = [check for check in found["checks"] if check["state"] == "wrong"]
    assert fault["remedy"] == "unset KERAS_BACKEND"
    assert (
        said.err.count("\n") == 1 and "1 fault stops a training" in said.err and "run `unset KERAS_BACKEND`" in said.err
    )
    assert main(["train", "--data", "digits"]) == 2  # as ever


def test_python_gets_a_record_that_shows_itself(fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake("raise ImportError('<broken>')")
    found = tfvision.doctor()
    assert not found.healthy and len(found.faults) == 1
    assert repr(found).splitlines()[-1].startswith("1 fault stops a training")
    html = found._repr_html_()
    assert "&lt;broken&gt;" in html and "--force-reinstall" in html and "<broken>" not in html
    with pytest.raises(UsageError, match="more than 0"):
        tfvision.doctor(timeout=0)


def test_nothing_heavy_is_imported(fake) -> None:
    fake()
    code = (
        "import sys, tfvision\nfound = tfvision.doctor()\nassert found.facts['tensorflow']\n"
        "assert not {'tensorflow', 'keras', 'numpy', 'cv2'} & sys.modules.keys(), 'heavy import'"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd() / "fake"), str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


# ---- packages


def test_ranges_are_those_of_setup_cfg_and_of_the_metadata(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].split()
    stated = stated_requirements()
    assert [str(each) for each in stated.packages] == lines and str(stated.python) == ">=3.11"
    assert "hub" in stated.extras and not {"test", "docs", "dev"} & stated.extras.keys()

    message = Message()
    message["Requires-Python"] = ">=3.11"
    for line in ("tensorflow>=2.19", 'cleanlab>=2.7; extra == "audit"', 'pytest>=8; extra == "test"'):
        message["Requires-Dist"] = line
    for extra in ("audit", "test"):
        message["Provides-Extra"] = extra
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: message)
    monkeypatch.setattr(requirements, "__file__", str(tmp_path / "a" / "b" / "c.py"))  # installed: no setup.cfg above
    stated_requirements.cache_clear()
    try:
        installed = stated_requirements()
    finally:
        stated_requirements.cache_clear()
    assert [str(each) for each in installed.packages] == ["tensorflow>=2.19"]
    assert {name: [each.name for each in packages] for name, packages in installed.extras.items()} == {
        "audit": ["cleanlab"]
    }


def test_what_these_tests_run_with_is_no_older_than_what_is_called_tested() -> None:
    for name, tested in TESTED.items():
        if name != "python":
            assert Version(found_version(name)).release[:2] >= Version(tested).release, name


def with_versions(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> list[HealthCheck]:
    given = {name.replace("_", "-"): version for name, version in versions.items()}

    def version(package: str) -> str:
        if package in given:
            if (found := given[package]) is None:
                raise importlib.metadata.PackageNotFoundError(package)
            return found
        return real(package)

    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", version)
    return check_requirements()


def test_a_missing_and_an_old_package_stop_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = with_versions(monkeypatch, keras="3.0.0", h5py=None)
    keras, h5py = (next(each for each in checks if each.says.startswith(name)) for name in ("keras 3.0.0", "h5py"))
    assert (keras.state, h5py.state) == ("wrong", "wrong") and "is not installed" in h5py.says
    assert sys.executable in keras.remedy and keras.remedy.endswith("'keras>=3.15.1'")
    assert Requirement(keras.remedy.split()[-1].strip("'")).specifier.contains("3.15.1")


def test_what_only_a_part_needs_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = with_versions(monkeypatch, keras_tuner=None)
    (check,) = [each for each in checks if each.says.startswith("keras-tuner")]
    assert check.state == "note" and "for search" in check.says


def test_another_opencv_will_do_and_two_are_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = with_versions(monkeypatch, opencv_python=None, opencv_python_headless="5.1")
    assert not faults(checks)
    checks = with_versions(monkeypatch, opencv_python="5.1", opencv_python_headless="5.1")
    assert [each.remedy.split("pip ")[1] for each in checks if "same folder cv2" in each.says] == [
        "uninstall opencv-python-headless"
    ]


def test_what_is_newer_than_tested_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = with_versions(monkeypatch, tensorflow="3.1.0")
    (check,) = [each for each in checks if each.says.startswith("newer than")]
    assert check.state == "note" and "tensorflow 3.1.0 (2.21)" in check.says and not faults(checks)


def test_an_extra_is_there_missing_or_in_half(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [
        each
        for each in with_versions(monkeypatch, cleanlab=None, foolbox=None, statsmodels="0.20", keras_hub="9.0")
        if each.topic == "extras"
    ]
    there = next(each.says for each in checks if each.says.startswith("installed"))
    missing = next(each for each in checks if each.says.startswith("not installed"))
    half = next(each for each in checks if "in part" in each.says)
    assert "hub" in there and "audit" in missing.says and missing.state == "ok" and "tfvision[" in missing.remedy
    assert half.state == "note" and "foolbox" in half.remedy


# ---- settings, weights, disks


def test_keras_json_of_another_project_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert [check.state for check in check_settings()] == ["ok"]
    (tmp_path / "keras.json").write_text(
        '{"backend": "jax", "image_data_format": "channels_first", "floatx": "float32"}'
    )
    (check,) = check_settings()
    assert check.state == "note" and "backend jax, image_data_format channels_first" in check.says
    (tmp_path / "keras.json").write_text("{")
    (check,) = check_settings()
    assert check.state == "note" and "cannot be read" in check.says


def test_keras_that_runs_on_another_backend_here_stops_a_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = ModuleType("keras")
    other.config = SimpleNamespace(backend=lambda: "jax")
    monkeypatch.setitem(sys.modules, "keras", other)
    monkeypatch.chdir(tmp_path)
    assert "restart, and import tfvision first" in faults(check_settings())[0]


def test_a_file_that_hides_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keras.py").write_text("")
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place] + [""])
    (check,) = check_settings()
    assert check.state == "wrong" and check.remedy == "mv keras.py my_keras.py"
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place and Path(place).resolve() != tmp_path])
    assert [check.state for check in check_settings()] == ["ok"]  # the script is not looked for there


def test_weights_say_whom_they_serve_and_what_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFVISION_WEIGHTS", str(tmp_path / "nosuch"))
    checks, served = check_weights()
    assert [check.state for check in checks] == ["note", "note"] and checks[0].remedy == "unset TFVISION_WEIGHTS"
    assert "mobilenet_v2" in checks[1].says and served == {}

    monkeypatch.setenv("TFVISION_WEIGHTS", str(tmp_path))
    head = b"\x89HDF\r\n\x1a\n"
    names = {name: tfvision.BACKBONES[name].weights[0] for name in ("mobilenet_v2", "mobilenet_025", "vgg16")}
    (tmp_path / names["mobilenet_v2"]).write_bytes(head + bytes(4 * 2_257_984))
    (tmp_path / names["mobilenet_025"]).write_bytes(head + bytes(4 * 218_544))
    (tmp_path / names["vgg16"]).write_bytes(head)
    (tmp_path / "preset").mkdir()
    (tmp_path / "preset" / "config.json").write_text("{}")
    checks, served = check_weights()
    assert set(served[str(tmp_path)]) == {*names, "hub/preset"}
    assert [(check.state, check.remedy) for check in checks if check.state != "ok"] == [
        ("note", f"rm {tmp_path / names['vgg16']}")
    ]
    (tmp_path / names["mobilenet_v2"]).write_bytes(b"<html>not found</html>")
    assert "mobilenet_v2" in faults(check_weights()[0])[0]  # the default: a plain `tfvision train` stops


def test_caches_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    assert check_caches()[1] == {} and "empty" in check_caches()[0][0].says
    (tmp_path / "cache" / "features" / "a").mkdir(parents=True)
    (tmp_path / "cache" / "features" / "a" / "features.bin").write_bytes(bytes(1_500_000))
    (check,), sizes = check_caches()
    assert sizes == {"features": 1_500_000} and "features 1.5 MB" in check.says


def test_a_full_disk_and_one_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache" / "below"))
    checks, figures = machine.check_machine()
    assert not faults(checks) and figures["disk_free"]["here"] == pytest.approx(
        shutil.disk_usage(tmp_path).free, rel=0.1
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000_000))
    said = faults(machine.check_machine()[0])
    assert len(said) == 2 and all(text.startswith("1.0 MB free in") for text in said)
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.undo()
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    (fault,) = [check for check in machine.check_machine()[0] if check.state == "wrong"]
    assert "cannot be written to" in fault.says and fault.remedy.startswith("export TFVISION_CACHE=")


def test_little_memory_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_memory", lambda: 1_000_000_000)
    (check,) = [check for check in machine.check_machine()[0] if check.topic == "memory"]
    assert check.state == "note" and "0.9 GiB" in check.says and "--batch-size 16" in check.says


def test_a_gpu_that_tensorflow_does_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    card = {"name": "NVIDIA T4", "driver_version": "550", "memory.free": 15000, "memory.total": 15360}
    monkeypatch.setattr(machine, "_driver_gpus", lambda: [card])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (check,), cards = machine.check_gpus([])
    assert check.state == "note" and "tensorflow[and-cuda]>=" in check.remedy and cards == [card]
    (check,), _ = machine.check_gpus(["NVIDIA T4"])
    assert check.state == "ok" and "15,000 of 15,360 MiB free; TensorFlow sees 1" in check.says
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    (check,), _ = machine.check_gpus([])
    assert check.remedy == "unset CUDA_VISIBLE_DEVICES"


def test_the_driver_is_asked_once_and_a_broken_one_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA T4, 550.54, 15000, 15360'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert machine._driver_gpus() == [
        {"name": "NVIDIA T4", "driver_version": "550.54", "memory.free": 15000, "memory.total": 15360}
    ]
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert machine._driver_gpus() == []


def test_a_diagnosis_counts() -> None:
    checks = (HealthCheck("a", "x"), HealthCheck("b", "y", "note"), HealthCheck("c", "z", "wrong", "mend it"))
    found = Diagnosis(checks, {})
    assert found.verdict == "1 fault stops a training; 1 note" and not found.healthy
    assert found.lines()[-2].strip() == "$ mend it"
    assert Diagnosis(checks[:1], {}).verdict == "nothing here stops a training"
