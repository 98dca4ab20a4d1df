"""Row 15, archives: what a .zip, .npz or .tar of strangers unpacks to is bounded, and nothing is written outside."""

import bz2
import io
import lzma
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_bytes import NOISE, encode, packed_zeros

from tfvision.data.sources.open import open_images
from tfvision.data.storage.files import open_storage
from tfvision.data.storage.npy import NpyFiles
from tfvision.data.storage.zip_file import Zip
from tfvision.errors import DataError

GOOD = encode("PNG")


def zip_of(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def bomb(path: Path, name: str, megabytes: int, start: bytes = b"") -> Path:
    """Write a member of so many zeros behind a beginning, a KB for each megabyte."""
    pack = zlib.compressobj(1, wbits=-15)
    first = pack.compress(start) + pack.flush(zlib.Z_FULL_FLUSH)
    block = pack.compress(bytes(1 << 20)) + pack.flush(zlib.Z_FULL_FLUSH)

    def say(data: bytearray, at: int) -> None:
        data[at + 10] = zipfile.ZIP_DEFLATED
        data[at + 24 : at + 28] = struct.pack("<I", len(start) + (megabytes << 20))

    return change_sizes(zip_of(path, {name: first + block * megabytes + pack.flush()}, zipfile.ZIP_STORED), say)


def change_sizes(path: Path, change: Callable[[bytearray, int], None]) -> Path:
    """Change each entry of the directory in place; it is called with the file and where an entry begins."""
    data = bytearray(path.read_bytes())
    place = data.find(b"PK\1\2")
    while place >= 0:
        change(data, place)
        place = data.find(b"PK\1\2", place + 4)
    path.write_bytes(data)
    return path


def peak_memory(work: Callable[[], object]) -> tuple[int, str]:
    """Return how many MB Python took meanwhile, and what was said of the data."""
    tracemalloc.start()
    said = ""
    try:
        work()
    except DataError as error:
        said = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1] >> 20
        tracemalloc.stop()
    return peak, said


def test_a_member_of_gigabytes_is_refused_by_its_header(tmp_path: Path) -> None:
    path = bomb(tmp_path / "d.zip", "a.png", 900, GOOD)
    memory, said = peak_memory(lambda: open_storage(path).read("a.png"))
    assert "a.png unpacks from" in said
    assert memory < 100


def test_an_image_larger_than_its_pixels_is_refused_wherever_it_lies(tmp_path: Path) -> None:
    large = GOOD + bytes(70 << 20)
    path = zip_of(tmp_path / "d.zip", {"a.png": large}, zipfile.ZIP_STORED)
    with tarfile.open(tmp_path / "d.tar", "w") as archive:
        member = tarfile.TarInfo("a.png")
        member.size = len(large)
        archive.addfile(member, io.BytesIO(large))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.png").write_bytes(large)
    for place in (path, tmp_path / "d.tar", tmp_path / "d"):
        memory, said = peak_memory(lambda place=place: open_storage(place).read("a.png"))
        assert "bytes, and its header claims 480 pixels" in said, place
        assert memory < 40


def large_tiff(width: int, height: int, *, big: bool) -> bytes:
    """A TIFF of 70 MB, whose directory lies behind the pixels, as libtiff writes it."""
    kind, entry, size = ("<Q", "<HHQQ", 16) if big else ("<H", "<HHII", 8)
    body = bytes((70 << 20) - size)
    start = b"II+\0" + struct.pack("<HHQ", 8, 0, 70 << 20) if big else b"II*\0" + struct.pack("<I", 70 << 20)
    tags = {256: width, 257: height, 273: size, 279: len(body)}
    return start + body + struct.pack(kind, len(tags)) + b"".join(struct.pack(entry, t, 4, 1, tags[t]) for t in tags)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_tiff_is_as_large_as_its_directory_says_wherever_it_lies(big: bool, method: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(1 << 20)  # so that it is no bomb
    for name, side in (("small", 8), ("large", 2000)):
        data = large_tiff(side, side, big=big)
        data = data[:16] + noise + data[16 + len(noise) :]
        path = zip_of(tmp_path / f"{name}.zip", {"a.tif": data}, method)
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.tif").write_bytes(data)
        for place in (path, tmp_path / name):
            if name == "large":
                assert open_storage(place).read("a.tif") == data
            memory, said = peak_memory(lambda place=place: open_storage(place).read("a.tif"))
            assert (f"its header claims {side * side} pixels" in said) == (name == "small"), place
            assert memory < (40 if name == "small" else 100)


@pytest.mark.parametrize("brand", [b"avif", b"heic"])
def test_a_phone_photo_of_many_bytes_is_refused(brand: bytes, tmp_path: Path) -> None:
    with (tmp_path / "a.avif").open("wb") as file:
        file.write(struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 0, brand))
        file.truncate(70 << 20)
    memory, said = peak_memory(lambda: open_storage(tmp_path).read("a.avif"))
    assert "pixels; save it again" in said
    assert memory < 40


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_the_beginning_of_a_member_is_no_more_than_that(method: int, tmp_path: Path) -> None:
    path = zip_of(tmp_path / "d.zip", {"a": bytes(40 << 20)}, method)
    memory, said = peak_memory(lambda: open_storage(path).head("a", 64))
    assert said == ""
    assert open_storage(path).head("a", 64) == bytes(64)
    assert memory < 20

    def large(data: bytearray, at: int) -> None:
        data[at + 24 : at + 28] = struct.pack("<I", 70 << 20)

    memory, said = peak_memory(lambda: open_storage(change_sizes(path, large)).read("a"))
    assert "unpacks from" in said
    assert memory < 20


def test_lzma_with_a_dictionary_of_gigabytes(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "d.zip", {"a.png": GOOD}, zipfile.ZIP_LZMA)
    data = path.read_bytes()
    place = data.index(b"\x05\x00\x5d") + 3
    path.write_bytes(data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :])
    with pytest.raises(DataError, match=r"damaged at a.png: Memory usage limit (was )?exceeded"):
        open_storage(path).read("a.png")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_method_reads_whole_members_and_notices_false_ones(method: int, tmp_path: Path) -> None:
    long = np.random.default_rng(0).integers(0, 9, 200_000, dtype=np.uint8).tobytes()
    path = zip_of(tmp_path / "d.zip", {"a.png": GOOD, "b": long, "c": b""}, method)
    archive = Zip(path)
    assert [archive.read(name) for name in "bc"] == [long, b""]
    assert archive.head("b", 100) == long[:100]
    assert archive.span("b").read(len(long), 0) == long
    longer, shorter = (lambda data, at, by=by: data.__setitem__(at + 24, data[at + 24] ^ by) for by in (1, 2))
    for change in (longer, shorter):
        with pytest.raises(DataError, match=r"damaged at b: (wrong length|it ends early)"):
            Zip(change_sizes(zip_of(tmp_path / "e.zip", {"b": long}, method), change)).read("b")


def test_members_that_share_bytes_or_lie_outside(tmp_path: Path) -> None:
    def same_place(data: bytearray, at: int) -> None:
        data[at + 42 : at + 46] = bytes(4)

    def too_long(data: bytearray, at: int) -> None:
        data[at + 20 : at + 24] = struct.pack("<I", 1 << 29)

    for change in (same_place, too_long):
        path = change_sizes(zip_of(tmp_path / "d.zip", {"a.png": GOOD, "b.png": GOOD}), change)
        with pytest.raises(DataError, match="overlaps another member or the end"):
            Zip(path)


def test_names_that_lead_outside_are_not_followed(tmp_path: Path) -> None:
    names = ("../a/out.png", "/etc/abs.png", "a/../../../b/out.png", "C:\\windows.png", "a/in.png", "b/in.png")
    zip_of(tmp_path / "d.zip", dict.fromkeys(names, GOOD))
    with tarfile.open(tmp_path / "d.tar", "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(GOOD)
            archive.addfile(member, io.BytesIO(GOOD))
        for name, target in (
            ("a/link.png", "../../../etc/passwd"),
            ("a/abs.png", "/etc/passwd"),
            ("b/own.png", "in.png"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    before = sorted(tmp_path.rglob("*"))
    for path in (tmp_path / "d.zip", tmp_path / "d.tar"):
        storage = open_storage(path)
        assert not any(".." in name or name.startswith("/") for name in storage.names)
        # Some programs pack `../` along, as unzip and tar know: what is named so is read as if it were not.
        assert {"a/in.png", "a/out.png", "b/in.png", "b/out.png", "etc/abs.png"} <= set(storage.names)
        assert all(storage.read(name) == GOOD for name in storage.names)
    assert set(open_storage(tmp_path / "d.tar").skipped_links) == {"a/link.png", "a/abs.png"}
    assert sorted(tmp_path.rglob("*")) == before


def test_two_files_of_one_name_without_what_leads_out_are_refused(tmp_path: Path) -> None:
    zip_of(tmp_path / "d.zip", {"../a/1.png": GOOD, "a/1.png": GOOD[:-1]})
    with tarfile.open(tmp_path / "d.tar", "w") as archive:
        for name in ("../a/1.png", "a/1.png"):
            member = tarfile.TarInfo(name)
            member.size = len(GOOD)
            archive.addfile(member, io.BytesIO(GOOD))
    for path in (tmp_path / "d.zip", tmp_path / "d.tar"):
        with pytest.raises(DataError, match=r"two different files 'a/1\.png'; unpack it"):
            open_storage(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("a/x.png", GOOD)
        archive.writestr("a\\x.png", GOOD)
    assert Zip(tmp_path / "d.zip").names == ("a/x.png",)
    with zipfile.ZipFile(tmp_path / "d.zip", "a") as archive:
        archive.writestr("a/./x.png", GOOD + b"other")
    with pytest.raises(DataError, match=r"holds two different files 'a/x.png'"):
        Zip(tmp_path / "d.zip")


def test_an_encrypted_and_an_unknown_member(tmp_path: Path) -> None:
    def locked(data: bytearray, at: int) -> None:
        data[at + 8] |= 1

    def unknown(data: bytearray, at: int) -> None:
        data[at + 10] = 97

    with pytest.raises(DataError, match=r"is encrypted \(a.png\)"):
        Zip(change_sizes(zip_of(tmp_path / "d.zip", {"a.png": GOOD}), locked))
    with pytest.raises(DataError, match=r"packed in a way that is not read \(a.png\)"):
        Zip(change_sizes(zip_of(tmp_path / "d.zip", {"a.png": GOOD}), unknown))


def test_an_archive_within_an_archive_is_left_alone(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "inner.zip", {"a/x.png": GOOD}).read_bytes()
    path = zip_of(tmp_path / "d.zip", {"inner.zip": inner})
    with pytest.raises(DataError, match=r"no images in .*, but 1 archives, such as inner.zip"):
        open_images(path)


def test_an_array_with_gigabytes_behind_it(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, NOISE[None])
    path = bomb(tmp_path / "d.npz", "images.npy", 400, stream.getvalue())
    start = time.monotonic()
    memory, said = peak_memory(lambda: NpyFiles(Zip(path)).rows("images"))
    assert "bytes behind its values" in said
    assert memory < 100
    assert time.monotonic() - start < 10


def test_an_array_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (7400, 512, 512)})
    path = bomb(tmp_path / "d.npz", "images.npy", 1850, stream.getvalue())
    memory, said = peak_memory(lambda: NpyFiles(Zip(path)).rows("images"))
    assert "images.npy unpacks from" in said
    assert memory < 100


def tar_header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


PAX_DIGITS = b"1" * 60_000
TARS = {
    "long name of gigabytes": (tar_header("x", 8 << 30, tarfile.GNUTYPE_LONGNAME), "a header of 8,589,934,592 bytes"),
    "pax of gigabytes": (tar_header("x", 8 << 30, tarfile.XHDTYPE), "a header of 8,589,934,592 bytes"),
    "global pax": (tar_header("x", 1 << 20, tarfile.XGLTYPE) + bytes(1 << 20), "a header of 1,048,576 bytes"),
    "pax of digits": (tar_header("x", len(PAX_DIGITS), tarfile.XHDTYPE) + padded(PAX_DIGITS), "a number without end"),
    "names of names": (tar_header("x", 1, tarfile.GNUTYPE_LONGNAME) + padded(b"x"), "cannot open"),
    "chain of names": ((tar_header("x", 2, tarfile.GNUTYPE_LONGNAME) + padded(b"x\0")) * 3000, "cannot open"),
    "headers for all": (
        (tar_header("x", 700, tarfile.XGLTYPE) + padded(b"700 a=" + b"x" * 693 + b"\n")) * 2,
        "1,400 bytes of headers for all members",
    ),
    "sparse": (tar_header("x", 512, tarfile.GNUTYPE_SPARSE) + bytes(512), "sparse|cannot open"),
    "size beyond the end": (tar_header("x.png", 8 << 30), "cannot open|ends within a member"),
    "empty members": (
        b"".join(tar_header(f"{k}", 0) for k in range(100_002)),
        "more than 1,000 files of less than 32",
    ),
}


PACKED_TARS = {
    "folders": (tar_header("d", 0, tarfile.DIRTYPE) * 3000, "bytes that hold more than 1,[0-9]{3} members"),
    "links": (tar_header("d", 0, tarfile.SYMTYPE) * 3000, "bytes that hold more than 1,[0-9]{3} members"),
    "files": ((tar_header("d", 32) + padded(b"x" * 32)) * 3000, "bytes that hold more than 1,[0-9]{3} members"),
    "headers beside": (
        (tar_header("x", 60_000, tarfile.XHDTYPE) + padded(b"60000 a=" + b"x" * 59_991 + b"\n") + tar_header("d", 0))
        * 100,
        "bytes that hold 1,[0-9,]* bytes of headers",
    ),
}


@pytest.mark.parametrize("case", PACKED_TARS)
def test_headers_that_a_few_bytes_unpack_to(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfvision.data.storage.tar_headers._ANY_MEMBERS", 1000)
    monkeypatch.setattr("tfvision.data.storage.tar_headers._ANY_EXTRA", 1 << 20)
    data, expected = PACKED_TARS[case]
    path = tmp_path / "d.tar.xz"
    path.write_bytes(lzma.compress(data + bytes(1024), preset=0))
    with pytest.raises(DataError, match=expected):
        open_storage(path)


def test_a_header_for_all_members_as_of_git(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "d.tar", "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "5" * 40}) as archive:
        member = tarfile.TarInfo("é" * 60 + ".png")
        member.size, member.mtime = len(GOOD), 0.5
        archive.addfile(member, io.BytesIO(GOOD))
    assert open_storage(tmp_path / "d.tar").names == ("é" * 60 + ".png",)


@pytest.mark.parametrize("packed", ["", ".xz"])
@pytest.mark.parametrize("case", TARS)
def test_tar(case: str, packed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfvision.data.storage.tar_file._EMPTY_MEMBERS", 1000, raising=False)
    data, expected = TARS[case]
    path = tmp_path / f"d.tar{packed}"
    path.write_bytes(lzma.compress(data + bytes(1024), preset=0) if packed else data + bytes(1024))
    start = time.process_time()
    with pytest.raises(DataError, match=expected):
        open_storage(path)
    assert time.process_time() - start < 10


def test_a_chain_of_links(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "d.tar", "w") as archive:
        for number in range(3000):  # each leads to the next, and the last to the first
            member = tarfile.TarInfo(f"{number}.png")
            member.type, member.linkname = tarfile.SYMTYPE, f"{(number + 1) % 3000}.png"
            archive.addfile(member)
        for name, target in (("a.png", "b.png"), ("b.png", "c.png")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
        member = tarfile.TarInfo("c.png")
        member.size = len(GOOD)
        archive.addfile(member, io.BytesIO(GOOD))
    start = time.process_time()
    storage = open_storage(tmp_path / "d.tar")
    assert storage.names == ("a.png", "b.png", "c.png")
    assert len(storage.skipped_links) == 3000
    assert time.process_time() - start < 3


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_a_packed_tar_that_unpacks_without_end(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    packers = {
        "gz": lambda: zlib.compressobj(1, wbits=31),
        "xz": lambda: lzma.LZMACompressor(preset=0),
        "bz2": bz2.BZ2Compressor,
    }
    path = tmp_path / f"d.tar.{suffix}"
    path.write_bytes(packed_zeros(1200, packers[suffix]))
    with pytest.raises(DataError, match=r"unpacks to more than 1,0[0-9,]* bytes"):
        open_storage(path)
    assert not list((tmp_path / "cache").rglob("*.tar"))


def test_an_xz_with_a_dictionary_of_gigabytes(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(bytes(20_000), filters=filters))
    place = data.index(b"\x21\x01", 12) + 2  # the filter, the size of its properties, the dictionary
    data[place] = 40  # 4 GiB
    header = data[12 : 12 + 4 * (data[12] + 1)]
    end = 12 + 4 * (data[12] + 1)
    data[end - 4 : end] = struct.pack("<I", zlib.crc32(bytes(header[:-4])))
    (tmp_path / "d.tar.xz").write_bytes(data)
    with pytest.raises(DataError, match=r"cannot open .*: Memory usage limit (was )?exceeded"):
        open_storage(tmp_path / "d.tar.xz")


def tar_of(path: Path, names: list[str]) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(GOOD)
            archive.addfile(member, io.BytesIO(GOOD))
    return path


@pytest.mark.parametrize("folder", ["a/", "../"])
def test_a_name_that_no_file_could_have(folder: str, tmp_path: Path) -> None:
    long = f"{folder * 2100}x.png"
    zip_of(tmp_path / "d.zip", {"a/1.png": GOOD, long: GOOD})
    tar_of(tmp_path / "d.tgz", ["a/1.png", long])
    for path in (tmp_path / "d.zip", tmp_path / "d.tgz"):
        with pytest.raises(DataError, match=r"holds a name of [0-9,]* characters") as raised:
            open_storage(path)
        assert len(str(raised.value)) < 300


def test_a_link_to_a_name_that_no_file_could_have(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "d.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.png")
        member.type, member.linkname = tarfile.SYMTYPE, "a/" * 3000
        archive.addfile(member)
    with pytest.raises(DataError, match="holds a name of 6,000 characters"):
        open_storage(tmp_path / "d.tar")


def test_what_is_no_plain_file_is_said(tmp_path: Path) -> None:
    names = {"x/1.png": tarfile.REGTYPE, "y/2.png": tarfile.CONTTYPE, "y/d": tarfile.DIRTYPE}
    odd = {"y/pipe.png": tarfile.FIFOTYPE, "y/device.png": tarfile.CHRTYPE, "y/unknown.png": b"Z"}
    with tarfile.open(tmp_path / "d.tar", "w") as archive:
        for name, kind in (names | odd).items():
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(GOOD) if kind in (*tarfile.REGULAR_TYPES, b"Z") else 0
            archive.addfile(member, io.BytesIO(GOOD))
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as packed:
        for name in ("x/1.png", "y/2.png", "y/3.png/", "x/4.png\\"):
            packed.writestr(name, GOOD)
        packed.writestr("y/d/", b"")
    assert open_images(tmp_path / "d.tar").notes == ("not read: 3 that are no plain files (such as y/device.png)",)
    assert open_images(tmp_path / "d.zip").notes == ("not read: 2 that are no plain files (such as x/4.png\\)",)
