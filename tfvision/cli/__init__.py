"""The command line: one verb, one short function. TensorFlow is loaded only by verbs that compute."""

import os
import sys
from collections.abc import Sequence

from tfvision.cli.attack import add_attack
from tfvision.cli.audit import add_audit
from tfvision.cli.certify import add_certify
from tfvision.cli.compare import add_compare
from tfvision.cli.completing import offer_completions
from tfvision.cli.completion import add_completion
from tfvision.cli.crossval import add_crossval
from tfvision.cli.decide import add_calibrate, add_threshold
from tfvision.cli.doctor import add_doctor
from tfvision.cli.ensemble import add_ensemble
from tfvision.cli.evaluate import add_evaluate
from tfvision.cli.explain import add_explain
from tfvision.cli.export import add_export
from tfvision.cli.learning_curve import add_learning_curve
from tfvision.cli.listing import add_cache, add_list_things
from tfvision.cli.lr_find import add_lr_find
from tfvision.cli.predict import add_predict
from tfvision.cli.pseudo_label import add_pseudo_label
from tfvision.cli.push import add_push
from tfvision.cli.search import add_search
from tfvision.cli.texture import add_texture
from tfvision.cli.track import add_track
from tfvision.cli.train import add_train
from tfvision.config.flags import Parser
from tfvision.errors import TfvisionError, one_line
from tfvision.system.decoder_messages import without_decoder_messages
from tfvision.system.device import refuse_other_backend, use_device
from tfvision.system.files import refuse_no_text
from tfvision.system.interruption import AGAIN, exit_status, interruptible, raise_if_interrupted
from tfvision.system.terminal import console, drop_output, harmless
from tfvision.version import __version__

_WHAT = "From a folder of labelled images to an honest score and a SavedModel, in one command."
_VERBS = (  # in the order of `tfvision --help`
    add_audit,
    add_train,
    add_crossval,
    add_learning_curve,
    add_search,
    add_lr_find,
    add_evaluate,
    add_certify,
    add_texture,
    add_predict,
    add_explain,
    add_compare,
    add_ensemble,
    add_attack,
    add_threshold,
    add_calibrate,
    add_pseudo_label,
    add_export,
    add_push,
    add_track,
    add_doctor,
    add_cache,
    add_list_things,
    add_completion,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `tfvision`.

    Args:
        arguments: The words after `tfvision`; default those of this process.

    Returns:
        The exit status: 0 done, 2 wrong usage, 3 wrong data, 4 a failed run, 130 interrupted, 143 terminated.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # NumPy's threads wait for work in a loop, by default 2^26 cycles: 0.1 s of CPU for importing NumPy alone.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")
    offer_completions(build_parser)
    try:
        with interruptible():
            return _run(arguments)
    except KeyboardInterrupt as interruption:
        return _fail(str(interruption) or AGAIN, exit_status(interruption))
    finally:
        console.quiet = False
        _flush()


def _run(arguments: Sequence[str] | None) -> int:
    """Run a verb, and say an error in one line."""
    debug = bool(os.environ.get("TFVISION_DEBUG"))
    try:
        refuse_no_text(*(sys.argv[1:] if arguments is None else arguments))
        args = build_parser().parse_args(arguments)
        debug |= getattr(args, "debug", False)
        console.quiet = getattr(args, "quiet", False)
        if not getattr(args, "any_backend", False):
            refuse_other_backend()
        use_device(getattr(args, "device", None))
        with without_decoder_messages():
            args.verb(args)
        return 0
    except TfvisionError as error:
        raise_if_interrupted()
        if debug:
            raise
        return _fail(str(error), error.exit_status)
    except BrokenPipeError:
        drop_output()
        return 0
    except MemoryError:
        raise_if_interrupted()
        if debug:
            raise
        return _fail("out of memory; close other programs, or take fewer images or a smaller --image-size", 4)
    except Exception as error:
        raise_if_interrupted()
        if debug:
            raise
        reason = one_line(error, 300)
        return _fail(f"{type(error).__name__}: {reason} (--debug shows where)", 4)


def build_parser() -> Parser:
    """Return the parser of every verb and flag."""
    parser = Parser(prog="tfvision", description=_WHAT)
    parser.add_argument("--version", action="version", version=f"tfvision {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB", parser_class=Parser)
    for add in _VERBS:
        add(verbs)
    return parser


def _flush() -> None:
    """Write what is still buffered: here a closed pipe can be handled, at exit it would print an error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()


def _fail(message: str, status: int) -> int:
    print(f"tfvision: {harmless(message)}", file=sys.stderr)
    return status
