"""TensorBoard: event files in the run folder, written by TensorBoard's own writer, which needs no TensorFlow."""

import struct
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.image.metadata import create_summary_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from tfvision.runs.names import REPORT, TENSORBOARD
from tfvision.system.files import replacing
from tfvision.tracking.folder import RunContent

if TYPE_CHECKING:
    from tfvision.tracking.trackers import Tracker


def open_tensorboard(content: RunContent, state: Mapping[str, Any]) -> "Tracker":
    """Begin or go on with the event files of a run.

    Args:
        content: The run.
        state: Of an earlier session.

    Returns:
        What writes them.
    """
    return _EventFiles(content, dict(state))


class _EventFiles:
    """A folder of event files: each session and epoch adds one, so that none has to survive a kill."""

    def __init__(self, content: RunContent, state: dict[str, Any]) -> None:
        self.folder = content.folder / TENSORBOARD
        self.state, self.began = {"files": 0, **state}, not state
        if not state:
            rows = "\n".join(f"| {name} | {value} |" for name, value in content.options.items())
            plain = {
                name: value for name, value in content.options.items() if isinstance(value, (str, int, float, bool))
            }
            self._write(
                [
                    (0, hparams_pb(plain, trial_id=content.name)),
                    (0, text_pb("options", f"| option | value |\n|---|---|\n{rows}")),
                ]
            )

    @property
    def where(self) -> str:
        return f"look at it with `tensorboard --logdir {self.folder}`"

    def send_epochs(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._write(
            [
                (int(row["epoch"]), scalar_pb(name, value))
                for row in rows
                for name, value in row.items()
                if isinstance(value, float) and name != "epoch"
            ]
        )

    def send_results(self, content: RunContent) -> None:
        last = len(content.rows)
        summaries = [(last, scalar_pb(name, value)) for name, value in content.scores.items()]
        from tfvision.tracking.pictures import png_pictures

        with tempfile.TemporaryDirectory() as folder:
            found, left = png_pictures(content, Path(folder))
            summaries += [(last, _image(f"pictures/{name}", path.read_bytes())) for name, path in found.items()]
        told = f"model: {content.model}\n\nreport: {content.folder.absolute() / REPORT}"
        if left:
            told += f"\n\nnot shown here, since they are SVG: {', '.join(left)}"
        self._write([*summaries, (last, text_pb("files", told))])

    def close(self, *, finished: bool) -> None:
        """Nothing is open."""

    def _write(self, summaries: Sequence[tuple[int, Summary]]) -> None:
        """Write one file: TensorBoard reads those of a folder in the order of their names."""
        if not summaries:
            return
        now = time.time()
        path = self.folder / f"events.out.tfevents.{now:017.6f}.{self.state['files']:05}"
        with replacing(path) as temporary, open(temporary, "wb") as file:
            writer = RecordWriter(file)
            writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
            for step, summary in summaries:
                # A message of the same fields from other generated code is not the same type.
                event = Event(wall_time=now, step=step)
                event.summary.ParseFromString(summary.SerializeToString())
                writer.write(event.SerializeToString())
            writer.flush()
        self.state["files"] += 1


def _image(tag: str, png: bytes) -> Summary:
    width, height = struct.unpack(">II", png[16:24])  # of the header that every PNG begins with
    summary = Summary()
    summary.value.add(
        tag=tag,
        tensor=make_tensor_proto([str(width).encode(), str(height).encode(), png]),
        metadata=create_summary_metadata(display_name=None, description=""),
    )
    return summary
