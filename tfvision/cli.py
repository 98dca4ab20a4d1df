"""The command line: one verb, one short function. TensorFlow is loaded only by verbs that compute."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import tfvision
from tfvision.audit.options import AuditConfig
from tfvision.config import PseudoLabelOptions, Source, TrainConfig
from tfvision.device import use_device
from tfvision.errors import TfvisionError, UsageError
from tfvision.listings import clear_cache, list_backbones, list_cache, list_recipes
from tfvision.options import Parser, add_flags, flags_to_dict, from_dict, leaves, load_yaml, merge, to_yaml
from tfvision.progress import ProgressLine, console, drop_output, say_result
from tfvision.recipes import find_recipe
from tfvision.search.settings import SECTION, SearchOptions
from tfvision.tasks import has_boxes

_TRAIN_FLAGS = [
    "task",
    "data",
    "backbone",
    "classifier",
    "weights",
    "image_size",
    "epochs",
    "batch_size",
    "learning_rate",
    "unfreeze",
    "seed",
    "output",
]
_TTA_HELP = "test-time augmentation: the mean over the flips that training used, or over N draws of its augmentation"
_SEARCH_FLAGS = ["algorithm", "trials", "objective", "keep", "epochs_scale", "factor"]
_AUDIT_FLAGS = ["data", "output", "splits", "backbone", "weights", "remove"]
_PHASE_FLAGS = ("epochs", "learning_rate", "unfreeze")


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a run as Ctrl-C does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `tfvision` and return its exit status: 2 usage, 3 data, 4 a failed run, 130 interrupted."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    debug = bool(os.environ.get("TFVISION_DEBUG"))
    with suppress(ValueError):  # outside the main thread there are no signals
        signal.signal(signal.SIGTERM, _terminate)
    try:
        args = _parser().parse_args(arguments)
        debug |= getattr(args, "debug", False)
        console.quiet = getattr(args, "quiet", False)
        args.verb(args)
        return 0
    except TfvisionError as error:
        if debug:
            raise
        return _fail(str(error), error.exit_status)
    except KeyboardInterrupt as interruption:
        return _fail(str(interruption) or "interrupted", 143 if isinstance(interruption, Terminated) else 130)
    except BrokenPipeError:
        drop_output()
        return 0
    except Exception as error:
        if debug:
            raise
        reason = " ".join(str(error).split())[:300]
        return _fail(f"{type(error).__name__}: {reason} (--debug shows where)", 4)
    finally:
        console.quiet = False
        _flush()


def train(args: argparse.Namespace) -> None:
    """Train a model and write a run folder."""
    config = _train_config(args)
    resume = Path(args.resume) if args.resume else None
    if args.print_config:
        sys.stdout.write(to_yaml(config, comments=True))
        return
    _load_tensorflow(args)
    from tfvision.experiment import train_from_config

    train_from_config(config, dry_run=args.dry_run, resume=resume)


def crossval(args: argparse.Namespace) -> None:
    """Train a run for each of several folds: mean and spread of every score, and each image predicted unseen."""
    # In full precision what the trained part says of stored features is what the whole model says.
    config = _train_config(args, cache="float32")
    backbones = [name.strip() for name in config.backbone.split(",")]
    _load_tensorflow(args)
    from tfvision.crossval import cross_validate

    audit = None if args.audit is None else from_dict(AuditConfig, load_yaml(args.audit) if args.audit else {})
    cross_validate(config, backbones=backbones, folds=args.folds, audit=audit, resume=args.go_on)


def search(args: argparse.Namespace) -> None:
    """Search for the best options on the validation part, and write a search folder."""
    from tfvision.search.options import read_options

    options = read_options(args)
    resume = Path(args.resume) if args.resume else None
    _load_tensorflow(args)
    from tfvision.search.command import search_from_options

    search_from_options(options, dry_run=args.dry_run, resume=resume)


def audit(args: argparse.Namespace) -> None:
    """Look for damaged, copied, foreign and wrongly labelled images, and list the clean ones."""
    in_file = load_yaml(args.config) if args.config else {}
    from_dict(AuditConfig, in_file)
    config = from_dict(AuditConfig, merge(in_file, flags_to_dict(AuditConfig, vars(args))))
    if args.print_config:
        sys.stdout.write(to_yaml(config, comments=True))
        return
    if config.weights != "none":
        _load_tensorflow(args)
    from tfvision.audit.run import audit_from_config

    audit_from_config(config)


def evaluate(args: argparse.Namespace) -> None:
    """Score a run or a SavedModel: on other images, or on the run's own test part."""
    _load_tensorflow(args)
    from tfvision.evaluation.box_predictions import write_box_predictions
    from tfvision.evaluation.predictions import write_predictions
    from tfvision.files import write_json
    from tfvision.results import compute_part, describe_scores
    from tfvision.runs import open_run

    if args.corrupt:
        _evaluate_corrupted(args)
        return
    if args.data is None and args.tta is None:
        run = open_run(args.model)
        name, facts = "test" if "test" in run.metrics else "validation", run.facts
        found = run.predictions.part(name)
        scores = compute_part(found, facts) if facts.decision else run.metrics[name]
    else:
        name, found, facts, missing = _predict_labelled(args)
        scores = {**compute_part(found, facts), "missing_classes": missing}
    say_result(describe_scores({name: scores}))
    if args.output:
        write_json(args.output, scores)
        console.print(f"written: {args.output}")
    if args.predictions:
        (write_box_predictions if has_boxes(facts.task) else write_predictions)(args.predictions, found)
        console.print(f"written: {args.predictions}")


def predict(args: argparse.Namespace) -> None:
    """Predict the class of images, or the box in them, with a run or a SavedModel."""
    _load_tensorflow(args)
    from tfvision.evaluation.predictions import write_unlabelled
    from tfvision.prediction import load_predictor, predict_images

    predictor = load_predictor(args.model)
    if has_boxes(predictor.facts.task):
        _predict_boxes(args, predictor)
        return
    if args.draw:
        raise UsageError(f"--draw draws boxes, and {args.model} finds none; leave it out")
    if args.tta:
        from tfvision.runs import open_run
        from tfvision.tta import with_tta

        predictor = with_tta(predictor, open_run(args.model), args.tta)
        console.print(f"mean of {len(predictor.views)} views of each image")
    found = predict_images(predictor, _read_images(args, args.images, predictor, labelled=False))
    if args.output:
        write_unlabelled(args.output, found)
        console.print(f"{len(found):,} predictions: {args.output}")
        return
    for image_id, label, row in zip(found.ids, found.predicted, found.probabilities, strict=True):
        say_result(f"{image_id}  {found.class_names[label]}  {row[label]:.4f}")


def compare(args: argparse.Namespace) -> None:
    """Compare runs on the same test images, each with the first, by a paired bootstrap."""
    from tfvision.comparison import compare_runs, describe_comparison, write_comparison

    found = compare_runs(args.runs, common=args.common)
    say_result(describe_comparison(args.runs[0], found))
    for path in write_comparison(args.output, args.runs[0], found) if args.output else ():
        console.print(f"written: {path}")


def threshold(args: argparse.Namespace) -> None:
    """Choose on validation when an image is of a class, and store it in a run."""
    from tfvision.decisions import choose_threshold, describe_decision
    from tfvision.runs import open_run

    run = open_run(args.run)
    say_result(describe_decision(run, choose_threshold(run, args.objective)))


def calibrate(args: argparse.Namespace) -> None:
    """Make the probabilities of a run mean what they say, by a temperature fitted on validation."""
    from tfvision.decisions import choose_temperature, describe_decision
    from tfvision.runs import open_run

    run = open_run(args.run)
    say_result(describe_decision(run, choose_temperature(run, off=args.off)))


def pseudo_label(args: argparse.Namespace) -> None:
    """Go on with a finished run as a new one that labels images itself where it is sure, and learns from them."""
    _load_tensorflow(args)
    from tfvision.pseudo_label import Rounds, pseudo_label
    from tfvision.runs import open_run

    run = open_run(args.run)
    options = from_dict(PseudoLabelOptions, flags_to_dict(PseudoLabelOptions, vars(args)))
    output = Path(args.output) if args.output else run.folder.with_name(f"{run.folder.resolve().name}_pseudo")
    pseudo_label(run, options, Rounds(args.rounds, restart=not args.go_on), output)


def _predict_boxes(args: argparse.Namespace, predictor: Any) -> None:
    from tfvision.evaluation.box_drawing import draw_predictions
    from tfvision.evaluation.box_predictions import write_box_predictions
    from tfvision.prediction import predict_boxes

    images = _read_images(args, args.images, predictor, labelled=False)
    found = predict_boxes(predictor, images)
    if args.draw:
        draw_predictions(found, images, Path(args.draw))
        console.print(f"{len(found):,} images with their boxes: {args.draw}")
    if args.output:
        write_box_predictions(args.output, found)
        console.print(f"{len(found):,} predictions: {args.output}")
    if args.output or args.draw:
        return
    names = found.classes.predicted_names if found.classes else [""] * len(found)
    for image_id, box, name in zip(found.ids, found.predicted, names, strict=True):
        say_result(f"{image_id}  {' '.join(f'{side:.1f}' for side in box)}  {name}".rstrip())


def export(args: argparse.Namespace) -> None:
    """Export a run as a SavedModel that takes raw images, and check it in a fresh process."""
    _load_tensorflow(args)
    from tfvision.export.run import export_run
    from tfvision.runs import open_run

    run = open_run(args.run)
    output = Path(args.output) if args.output else Path("saved_models") / run.folder.resolve().name
    folder, agreement = export_run(run, output, data=args.data)
    say_result(f"SavedModel: {folder}")
    same = "" if agreement.classes is None else f", same class for {agreement.classes}"
    console.print(
        f"compared with model.keras in a fresh process on {agreement.images} images: "
        f"largest difference {agreement.difference:.1e}{same}"
    )
    if agreement.bytes_agreement is not None:
        console.print(f"serve_bytes (another JPEG decoder, no EXIF): same answer for {agreement.bytes_agreement:.1%}")


def cache(args: argparse.Namespace) -> None:
    """List or clear what is stored of frozen backbones, in the folder $TFVISION_CACHE."""
    (list_cache if args.what == "list" else clear_cache)()


def list_things(args: argparse.Namespace) -> None:
    """List what can be chosen."""
    (list_backbones if args.what == "backbones" else list_recipes)()


def _parser() -> Parser:
    parser = Parser(prog="tfvision", description=tfvision.__doc__)
    parser.add_argument("--version", action="version", version=f"tfvision {tfvision.__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB", parser_class=Parser)

    command = _add_verb(verbs, "audit", audit)
    command.add_argument("--config", metavar="FILE", help="YAML file of options")
    _add_print_config(command)
    # The audit goes on whatever is unreadable.
    add_flags(
        command, AuditConfig, _AUDIT_FLAGS, only=[key for key, _, _ in leaves(AuditConfig) if key != "source.on_bad"]
    )
    _add_running(command)

    command = _add_verb(verbs, "train", train)
    command.add_argument("--config", metavar="FILE", help="YAML file of options, or the name of a recipe")
    command.add_argument("--resume", metavar="RUN", help="go on with a run that was interrupted, with its own options")
    command.add_argument(
        "--dry-run", action="store_true", help="scan, build, run one batch, print the plan, write nothing"
    )
    _add_print_config(command)
    _add_training(command)
    _add_running(command)

    command = _add_verb(verbs, "crossval", crossval)
    command.add_argument("--folds", type=int, default=5, metavar="N", help="number of folds (default 5)")
    command.add_argument(
        "--audit",
        nargs="?",
        const="",
        metavar="FILE",
        help="audit the images first, with the options of a YAML file if one is given, and fold those that are clean",
    )
    command.add_argument("--config", metavar="FILE", help="YAML file of options, or the name of a recipe")
    command.add_argument(
        "--resume", dest="go_on", action="store_true", help="go on in the folder --output, where folds are finished"
    )
    _add_training(command)
    _add_running(command)

    command = _add_verb(verbs, "search", search)
    command.add_argument("--config", metavar="FILE", help="YAML file of options with ranges, or the name of a recipe")
    command.add_argument("--resume", metavar="FOLDER", help="go on with a search that was interrupted")
    command.add_argument(
        "--dry-run", action="store_true", help="check all, print the stages and their trials, and stop"
    )
    add_flags(command, SearchOptions, _SEARCH_FLAGS, only=_SEARCH_FLAGS, title="searching")
    _add_training(command)
    _add_running(command)

    command = _add_verb(verbs, "evaluate", evaluate)
    command.add_argument("model", metavar="RUN", help="run folder or SavedModel")
    command.add_argument("--data", help="labelled images; default the scores of the run's own test part")
    command.add_argument("--output", metavar="FILE", help="JSON file for the scores")
    command.add_argument("--predictions", metavar="FILE", help="CSV file for the class and p_<class> of each image")
    command.add_argument("--tta", metavar="flips|N", help=_TTA_HELP)
    command.add_argument(
        "--corrupt",
        metavar="NAMES",
        help="score the images under corruption, 5 severities each: all, or some of noise,blur,contrast,jpeg,brightness,"
        "pixelate,occlusion,rotation,blend",
    )
    command.add_argument("--seed", type=int, default=0, help="of what is drawn for --corrupt (default 0)")
    add_flags(command, Source, ())
    _add_running(command)

    command = _add_verb(verbs, "predict", predict)
    command.add_argument("model", metavar="RUN", help="run folder or SavedModel")
    command.add_argument(
        "images",
        metavar="IMAGES",
        help="an image, a folder or .zip of images, a CSV that names them, or arrays (.npy, .npz, .h5)",
    )
    command.add_argument("--output", metavar="FILE", help="CSV file with id, predicted and p_<class>, or the box")
    command.add_argument("--draw", metavar="FOLDER", help="write the images with their boxes there")
    command.add_argument("--tta", metavar="flips|N", help=_TTA_HELP)
    add_flags(command, Source, (), only=("file_column", "pixel_rule", "on_bad"))  # the others are about labels
    _add_running(command)

    command = _add_verb(verbs, "compare", compare)
    command.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="run folders, or CSV files of `evaluate --predictions`; the first is what the others are compared with",
    )
    command.add_argument(
        "--common", action="store_true", help="where tests differ, compare on the images in all of them"
    )
    command.add_argument("--output", metavar="FOLDER", help="where to write comparison.csv and comparison.png")
    _add_running(command, computes=False)

    command = _add_verb(verbs, "threshold", threshold)
    command.add_argument("run", metavar="RUN", help="run folder; its classes are decided so from now on")
    command.add_argument(
        "--objective",
        default="f1",
        metavar="TEXT",
        help="f1 (of several classes macro-F1), f1_macro, precision=0.9 (highest recall at it), cost=FP:1,FN:5, or none "
        "to take the choice back (default f1)",
    )
    _add_running(command, computes=False)

    command = _add_verb(verbs, "calibrate", calibrate)
    command.add_argument("run", metavar="RUN", help="run folder; its probabilities are scaled so from now on")
    command.add_argument("--off", action="store_true", help="take the temperature back")
    _add_running(command, computes=False)

    command = _add_verb(verbs, "pseudo-label", pseudo_label)
    command.add_argument("run", metavar="RUN", help="run folder, which stays as it is")
    command.add_argument("--output", metavar="FOLDER", help="the new run folder; default RUN_pseudo")
    command.add_argument(
        "--rounds", type=int, default=1, metavar="N", help="how often images are labelled and learned from (default 1)"
    )
    command.add_argument(
        "--go-on", action="store_true", help="train on from the best weights; default each round begins afresh"
    )
    add_flags(command, PseudoLabelOptions, ("data",))
    _add_running(command)

    command = _add_verb(verbs, "export", export)
    command.add_argument("run", metavar="RUN", help="run folder")
    command.add_argument("--output", metavar="FOLDER", help="default saved_models/<run>; the version is a folder in it")
    command.add_argument("--data", help="images to compare model and SavedModel on; default the run's test images")
    _add_running(command)

    command = _add_verb(verbs, "cache", cache)
    command.add_argument("what", choices=("list", "clear"), help="list the stores, or remove them all")

    command = _add_verb(verbs, "list", list_things)
    command.add_argument("what", choices=("backbones", "recipes"), help="what to list")
    return parser


def _load_tensorflow(args: argparse.Namespace) -> None:
    """Import TensorFlow without what it says of CPU instructions and CUDA on its way up: nothing to act on.

    It writes to the file descriptor before any log level counts, so the descriptor is what is turned away.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow as tf
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    tf.get_logger().setLevel("ERROR")  # it warns of retracing, which models of two input shapes cannot avoid
    if args.device:
        use_device(args.device)


def _terminate(signal_number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # asked twice, it ends at once
    raise Terminated


def _add_print_config(command: Parser) -> None:
    command.add_argument(
        "--print_config",
        "--print-config",
        action="store_true",
        help="print all options as YAML with their help, and stop",
    )


def _add_running(command: Parser, *, computes: bool = True) -> None:
    """Add the flags of how to run, which no result depends on; the device where a model computes."""
    group = command.add_argument_group("running")
    if computes:
        group.add_argument("--device", metavar="NAME", help="cpu, gpu or gpu:1; default the first GPU, else the CPU")
    group.add_argument("--quiet", action="store_true", help="print only results and errors")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _add_training(command: Parser) -> None:
    """Add the options of a training."""
    command.add_argument(
        "--no-cache",
        dest="cache",
        action="store_const",
        const="none",
        default=argparse.SUPPRESS,
        help="compute features of the frozen part anew in each epoch, the same as --cache none",
    )
    add_flags(command, TrainConfig, _TRAIN_FLAGS)


def _add_verb(verbs: Any, name: str, function: Any) -> Parser:
    # The usage that argparse writes of a hundred flags hides the list of them.
    usage = None
    if name in ("train", "crossval", "search", "audit"):
        usage = "%(prog)s [--config FILE] [--data DATA] [options]"
    command = verbs.add_parser(name, help=function.__doc__, description=function.__doc__, usage=usage)
    command.set_defaults(verb=function, parser=command)
    return command


def _train_config(args: argparse.Namespace, **defaults: Any) -> TrainConfig:
    path = find_recipe(args.config) if args.config else None
    if getattr(args, "resume", None) and not path:
        from tfvision.resume import open_unfinished
        from tfvision.runs import CONFIG

        path = open_unfinished(Path(args.resume)).folder / CONFIG
    in_file = load_yaml(path) if path else {}
    if SECTION in in_file:
        raise UsageError(f"{args.config} describes a search; run it with `tfvision search --config {args.config}`")
    from_dict(TrainConfig, in_file)  # refuses what is wrong in the file by its own name, not by a flag's
    if in_file.get("phases") and any(in_file.get(key) is not None for key in _PHASE_FLAGS):
        raise UsageError(
            f"{args.config} gives phases and also {' or '.join(k for k in _PHASE_FLAGS if in_file.get(k) is not None)}; keep one of them"
        )
    flags = flags_to_dict(TrainConfig, vars(args))
    if "phases" in flags:
        in_file = {key: value for key, value in in_file.items() if key not in _PHASE_FLAGS}
    return from_dict(TrainConfig, merge(merge(defaults, in_file), flags))


def _predict_labelled(args: argparse.Namespace) -> tuple[str, Any, Any, list[str]]:
    """Predict the images that `evaluate` is asked for: their name, predictions, the model's facts, missing classes."""
    from tfvision.prediction import load_predictor, predict_labelled
    from tfvision.runs import open_run
    from tfvision.tta import compare_tta, describe_gain, with_tta

    predictor = load_predictor(args.model)
    tta = with_tta(predictor, open_run(args.model), args.tta) if args.tta else None
    name, images = _images_to_score(args, predictor)
    found, missing = predict_labelled(predictor, images) if tta is None else (None, [])
    if missing:
        console.print(f"no images of {', '.join(missing)}; in macro scores such a class counts 0 where it is predicted")
    if tta is not None:
        plain, found, ratio = compare_tta(tta, images)
        say_result(describe_gain(plain, found, ratio, len(tta.views)))
    return name, found, predictor.facts, missing


def _evaluate_corrupted(args: argparse.Namespace) -> None:
    """Score under corruption; of a run's own test part the files go into the run, else beside --output."""
    from tfvision.corrupted import score_corrupted, write_corrupted
    from tfvision.data.corruptions import parse_corruptions
    from tfvision.files import write_json
    from tfvision.prediction import load_predictor
    from tfvision.report.page import write_report
    from tfvision.runs import PLOTS

    if args.tta or args.predictions:
        raise UsageError("--corrupt scores many sets of images; leave --tta and --predictions out")
    names = parse_corruptions(args.corrupt)
    predictor = load_predictor(args.model)
    if has_boxes(predictor.facts.task):
        raise UsageError("--corrupt scores classes, and this model finds boxes; leave it out")
    _, images = _images_to_score(args, predictor)
    scores = score_corrupted(predictor, images, names, seed=args.seed)
    say_result(scores.describe())
    if args.output:
        write_json(args.output, scores.to_dict())
        table = Path(args.output).with_suffix(".csv")
        written = write_corrupted(scores, images, table, table.parent, seed=args.seed)
    elif args.data is None:
        table, plots = Path(args.model) / "corruptions.csv", Path(args.model) / PLOTS
        written = [*write_corrupted(scores, images, table, plots, seed=args.seed), write_report(args.model)]
    else:
        return
    for path in written:
        console.print(f"written: {path}")


def _images_to_score(args: argparse.Namespace, predictor: Any) -> tuple[str, Any]:
    """Return the name and images of --data, else of the run's test part, or of its validation part without one."""
    if args.data is not None:
        return Path(args.data).name, _read_images(args, args.data, predictor, labelled=True)
    from tfvision.run_images import open_part
    from tfvision.runs import open_run

    run = open_run(args.model)
    name = "test" if "test" in run.metrics else "validation"
    return name, open_part(run, name)


def _read_images(args: argparse.Namespace, data: str, predictor: Any, *, labelled: bool) -> Any:
    """Open and scan images for a model, by the rule its own images were read by; say what is left out."""
    from tfvision.data.decoding import scan
    from tfvision.data.sources import open_images

    source = from_dict(Source, flags_to_dict(Source, vars(args)))
    columns = source.columns()
    columns["pixel_rule"] = columns["pixel_rule"] or predictor.facts.pixel_rule
    boxes = has_boxes(predictor.facts.task)
    images = open_images(data, **columns, labelled=labelled, boxes=boxes)
    for note in images.notes:
        console.print(note)
    with ProgressLine("reading images", len(images)) as line:
        found = scan(images, on_bad=source.on_bad, progress=line.report, frames=boxes)
    for image_id, reason in found.unreadable[:20]:
        console.print(f"left out: {image_id}: {reason}")
    if found.unreadable:
        console.print(f"{len(found.unreadable):,} left out")
    return found.images


def _flush() -> None:
    """Write what is left to say, here where a reader that left can still be borne; later it is an error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()


def _fail(message: str, status: int) -> int:
    print(f"tfvision: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
