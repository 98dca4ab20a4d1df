"""`python -m tfvision`, and what the command `tfvision` calls."""

import signal
import sys

from tfvision.system.interruption import AGAIN, exit_status, interruptible


def run_command_line() -> int:
    """Run the command line of this process, which may be interrupted from its first import on.

    Returns:
        The exit status, see `tfvision.cli.main`.
    """
    try:
        with interruptible():
            from tfvision.cli import main

            return main()
    except KeyboardInterrupt as interruption:
        print(f"tfvision: {AGAIN}", file=sys.stderr)
        return exit_status(interruption)
    finally:
        # What was to be done is done or told: nothing is left to interrupt but the end of the interpreter.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        # One that passed through code made from a string, as that of a dataclass is, is remembered by Python, which would
        # end this process by SIGINT in place of our status; running a string forgets it.
        exec("")


if __name__ == "__main__":
    sys.exit(run_command_line())
