"""`python3 -m lab demo`, `python3 -m lab test [NAME …]`, and `python3 -m lab e2e WORKER MAIN`,
which `bench e2e` runs: the cores of directors and of everything else."""

import pathlib
import sys
import unittest

from lab.contain import contain
from lab.net import LabError


def test(names):
    """Runs test_NAME.py for each name, all without any; returns the exit code."""
    folder = pathlib.Path(__file__).parent
    names = names or sorted(path.stem.removeprefix("test_") for path in folder.glob("test_*.py"))
    suite = unittest.defaultTestLoader.loadTestsFromNames([f"lab.test_{name}" for name in names])
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    return 0 if result.wasSuccessful() and result.testsRun else 1


def main(words):
    """Runs what the words ask for; returns the exit code."""
    match words:
        case ["demo"]:
            contain()
            from lab.demo import main as demo

            return demo()
        case ["test", *names]:
            contain()
            return test(names)
        case ["e2e", worker_core, main_core]:
            contain()
            from lab.e2e import main as e2e

            return e2e(int(worker_core), int(main_core))
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(1)
