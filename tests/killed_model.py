"""Kill a process that replaces model.keras, at each of its steps and at so many of its bytes: python tests/killed_model.py 40"""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import forked
import numpy as np
from killed_verbs import weights

from tfvision.data.pixels.resize import Resize
from tfvision.models.classifier import build_classifier
from tfvision.models.model_file import ModelFacts, read_facts, save_model


def save(path: Path, number: int, names: tuple[str, ...]) -> None:
    """Save a model all of whose weights are a number."""
    model = build_classifier("small_cnn", 2, image_size=16, weights="none")
    model.set_weights([np.full_like(value, number) for value in model.get_weights()])
    save_model(model, path, ModelFacts(names, Resize(16, 16), "small_cnn"))


def main() -> int:
    """Print what was found after each kill as JSON."""
    forked.load()
    found: dict = {"kills": 0, "old": 0, "new": 0, "wrong": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run" / "model.keras"
        assert forked.do(lambda: save(path, 1, ("a", "b"))) == 0
        old = path.read_bytes()
        ways = [lambda change=change: forked.kill_at_change(change, path.parent)() for change in range(1, 15)]
        sizes = np.linspace(0, len(old) - 1, int(sys.argv[1])).astype(int).tolist()
        ways += [lambda size=size: forked.kill_at_byte(size) for size in sizes]
        for number, prepare in enumerate(ways):
            path.write_bytes(old)

            def work(prepare=prepare) -> None:
                prepare()
                save(path, 2, ("c", "d"))

            status = forked.do(work)
            if status not in (-signal.SIGKILL, -signal.SIGXFSZ):
                continue
            found["kills"] += 1
            numbers = {float(value) for array in weights(path) for value in np.unique(array)}
            state = {(1.0, "a"): "old", (2.0, "c"): "new"}.get((max(numbers), read_facts(path).class_names[0]))
            if state is None or len(numbers) != 1:
                found["wrong"].append(f"{number}: {numbers}")
            else:
                found[state] += 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
