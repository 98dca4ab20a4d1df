"""Seconds until `tfvision --help` answers, against `import tensorflow`, which most tools begin with.

python benchmarks/startup.py [--rounds 5]
"""

import argparse
import subprocess
import sys

from measure import paired, print_table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    def run(*words: str) -> None:
        subprocess.run([sys.executable, *words], capture_output=True, check=True)

    row = paired(
        "tfvision --help / import tensorflow",
        lambda: run("-m", "tfvision", "--help"),
        lambda: run("-c", "import tensorflow"),
        options.rounds,
    )
    print_table([row])


if __name__ == "__main__":
    main()
