"""Any damage to a checkpoint falls back to the one before it, and says so in one line."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from damages import cuts, flips, how_many

from tfvision.training.checkpoints import Checkpoint, Checkpoints, PhaseState

VARIABLES = [np.arange(256, dtype=np.float32), np.linspace(-1, 1, 48, dtype=np.float32).reshape(3, 4, 4)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoints of two epochs, of a model of two variables."""
    folder = tmp_path_factory.mktemp("written") / "checkpoints"
    checkpoints = Checkpoints(folder)
    for epoch in (1, 2):
        rows = [{"epoch": number, "phase": "only", "val_loss": 1.0 / number} for number in range(1, epoch + 1)]
        optimizer = [np.array(epoch, np.int64), VARIABLES[0] * 0.5]
        checkpoints._write(
            Checkpoint(PhaseState(0, epoch), rows, "digest", [v + epoch for v in VARIABLES], optimizer, [])
        )
    return folder


def assert_previous_or_right(
    written: Path, folder: Path, name: str, data: bytes, capsys: pytest.CaptureFixture
) -> bool:
    """Read a folder whose newest checkpoint is `data`; return whether it was found to be damaged."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(written, folder)
    (folder / "00002.npz").write_bytes(data)
    capsys.readouterr()
    found = Checkpoints(folder).newest()
    said = capsys.readouterr().out
    assert found is not None, name
    epochs = found.state.epochs
    # Bits that no reader looks at, such as a date, change nothing: then it is the newest, to the last bit.
    assert len(found.rows) == epochs and found.model == "digest", name
    assert [v.tobytes() for v in found.variables] == [(v + epochs).tobytes() for v in VARIABLES], name
    assert [v.tobytes() for v in found.optimizer] == [np.array(epochs).tobytes(), (VARIABLES[0] * 0.5).tobytes()], name
    assert (epochs == 1) == ("00002.npz is damaged" in said.replace("\n", "")), name
    assert "from the checkpoint before it" in " ".join(said.split()) if epochs == 1 else not said, name
    return epochs == 1


def try_all(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture, count: int) -> tuple[int, int]:
    whole = (written / "00002.npz").read_bytes()
    found = [
        assert_previous_or_right(written, tmp_path / "copy", name, data, capsys)
        for name, data in [*flips(whole, count), *cuts(whole, count)]
    ]
    with capsys.disabled():
        if count > 200:
            print(f"\n{len(found):,} damages to a checkpoint of {len(whole):,} bytes, {sum(found):,} found and named")
    return sum(found), len(found)


def test_a_damaged_checkpoint_falls_back(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    damaged, tried = try_all(written, tmp_path, capsys, 150)
    assert damaged > 0.7 * tried


@pytest.mark.slow
def test_any_damage_to_a_checkpoint_falls_back(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    damaged, tried = try_all(written, tmp_path, capsys, how_many(500))
    assert damaged > 0.7 * tried


@pytest.mark.parametrize(
    ("record", "offset", "value", "raised"),
    [
        (b"PK\x01\x02", 6, b"\x7f", NotImplementedError),  # a version of the format that does not exist yet
        (b"PK\x01\x02", 8, b"\x01", RuntimeError),  # encrypted
        (b"PK\x01\x02", 10, b"\x63", NotImplementedError),  # a compression of AES
        (b"PK\x03\x04", 0, b"X", zipfile.BadZipFile),  # no member where one is to begin
    ],
)
def test_what_zipfile_raises_falls_back(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture, record: bytes, offset: int, value: bytes, raised: type
) -> None:
    data = bytearray((written / "00002.npz").read_bytes())
    place = data.index(record) + offset
    data[place : place + 1] = value
    with pytest.raises(raised), zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            archive.read(name)
    assert assert_previous_or_right(written, tmp_path / "copy", "one", bytes(data), capsys)


def test_a_header_that_hides_the_end_of_an_array_falls_back(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    # Of an array that is read only as far as its header says, no checksum is ever compared.
    data = (written / "00002.npz").read_bytes()
    assert data.count(b"(256,)") == 2
    assert assert_previous_or_right(written, tmp_path / "copy", "one", data.replace(b"(256,)", b"(216,)"), capsys)


def test_a_member_that_is_gone_falls_back(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(written / "00002.npz") as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            if name != "optimizer/00001.npy":
                new.writestr(name, old.read(name))
    assert assert_previous_or_right(written, tmp_path / "copy", "one", stream.getvalue(), capsys)


def test_a_checkpoint_of_an_older_version_is_read(written: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(written / "00002.npz") as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            if name == "meta.npy":
                meta = json.loads(np.load(io.BytesIO(old.read(name))).tobytes())
                del meta["listed"]
                member = io.BytesIO()
                np.save(member, np.frombuffer(json.dumps(meta).encode(), np.uint8))
                new.writestr(name, member.getvalue())
            elif name != "members.json":
                new.writestr(name, old.read(name))
    (tmp_path / "00002.npz").write_bytes(stream.getvalue())
    found = Checkpoints(tmp_path).newest()
    assert found is not None and found.state.epochs == 2
