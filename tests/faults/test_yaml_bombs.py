"""YAML, JSON and XML that unfold without end, nest without end or hold objects are refused in one short line."""

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tfvision.cli import main
from tfvision.config.flags import _parse_flag
from tfvision.config.options import from_dict
from tfvision.config.yaml import parse_yaml
from tfvision.data.sources.open import open_images
from tfvision.errors import TfvisionError, UsageError, listing, nearest, worded
from tfvision.training.config import TrainConfig


def aliases(width: int, depth: int, first: str = "[x, x, x, x, x, x, x, x, x]", last: str = "data") -> str:
    """Return lists of lists of aliases: `width` to the power of `depth` values."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, depth)]
    return "\n".join([*lines, f"{last}: *a{depth - 1}\n"])


def merges(width: int, depth: int) -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * width)}]}}" for i in range(1, depth)]
    return "\n".join([*lines, f"head: *a{depth - 1}\n"])


BOMBS = {
    "a billion values": (aliases(9, 9), "unfolds into more than 100,000 values"),
    "deep aliases": (aliases(2, 28), "unfolds into more than 100,000 values"),
    "merged": (merges(9, 8), "unfolds into more than 100,000 values"),
    "itself": ("data: &a [*a]\n", "names what it is a part of"),
    "merged with itself": ("a: &a {<<: *a}\n", "names what it is a part of"),
    "lists in lists": ("data: " + "[" * 2000, "nested more than 30 deep"),
    "lists in lists, closed": ("data: " + "[" * 40 + "]" * 40, "nested more than 30 deep"),
    "mappings in mappings": ("data: " + "{a: " * 2000, "nested more than 30 deep"),
    "blocks in blocks": ("\n".join(" " * i + "a:" for i in range(300)), "nested more than 30 deep"),
    "a long file": ("# \n" * 100_000, "longer than 131,072 bytes"),
    "a number of 5,000 digits": ("seed: " + "9" * 5000, "is not plain YAML"),
    "a number of 100 digits": ("seed: " + "9" * 100, "more than 64 bits"),
    "a number of 400,000 bits": ("seed: 0x" + "f" * 100_000, "more than 64 bits"),
    "a program": ("data: !!python/object/apply:os.system ['touch evil']", "could not determine a constructor"),
    "a function": ("data: !!python/name:os.system", "could not determine a constructor"),
    "a key twice": ("data: 1\ndata: 2\n", "duplicate key"),
    "a date of no calendar": ("data: 2001-99-99", "is not plain YAML"),
    "half a character": ('data: "\\ud800"', "a character that no text file has"),
    "a character without end": ('data: "a\\0b"', "a character that no text file has"),
    "an empty float": ('learning_rate: !!float ""', "cannot be read"),
    "a long value": ("batch_size: [" + "x, " * 10_000 + "x]", "batch_size"),
    "a long text": ("batch_size: " + "x" * 100_000, "batch_size: expected"),
    "a long key": ('? "' + "k" * 100_000 + '"\n: 1', "unknown key"),
    "an alias of lists": (aliases(5, 5, last="phases").replace("a0:", "data:"), "unknown key"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_yaml_that_harms_is_one_short_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, message = BOMBS[name]
    monkeypatch.chdir(tmp_path)
    started = time.process_time()
    with pytest.raises(UsageError) as error:
        from_dict(TrainConfig, parse_yaml(text, "options.yaml"))
    said = str(error.value)
    assert message in said and len(said) < 600 and "\n" not in said
    assert time.process_time() - started < 5 and not list(tmp_path.iterdir())


def test_aliases_and_merges_of_honest_files_are_read() -> None:
    text = "a: &a {x: 1, y: [1, 2]}\nb: {<<: *a, x: 2}\nc: [*a, *a]\n"
    values = parse_yaml(text, "options.yaml")
    assert values["b"] == {"x": 2, "y": [1, 2]} and values["c"] == [values["a"]] * 2
    assert parse_yaml("%YAML 1.2\n---\na: &x 1\nb: &x 2\n", "options.yaml") == {"a": 1, "b": 2}


def test_flags_are_bounded_too() -> None:
    for text in ("[" * 200, "{a: &a [*a]}", "0x" + "f" * 10_000, aliases(9, 9)):
        assert _parse_flag(text, list) == text  # which is no list, and is refused as such
    assert _parse_flag("[1, 2]", list) == [1, 2]


@pytest.mark.parametrize("verb", ["train", "search", "crossval", "ensemble", "audit"])
def test_every_verb_that_reads_yaml_ends_with_2(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "options.yaml"
    for name in ("a billion values", "itself", "a program", "lists in lists, closed"):
        path.write_text(BOMBS[name][0])
        assert main([verb, "--config", str(path), *(["--data", str(tmp_path)] if verb != "audit" else [])]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and len(said) < 600, said


def test_values_in_messages_are_cut() -> None:
    endless: list[object] = ["x"]
    for _ in range(40):
        endless = [endless] * 9
    for value in ("x" * 10**6, list(range(10**5)), endless, {"a": endless}, 10**5000, {str(i): i for i in range(1000)}):
        assert len(worded(value)) < 400
    assert worded("abc") == "'abc'" and worded(["a", 1, None]) == "['a', 1, None]" and worded(-12) == "-12"
    assert nearest("x" * 10**6, ["abc"]) == "" and len(listing(["x" * 10**6] * 10)) < 3000
    assert len(str(TfvisionError("x" * 10**6))) < 5000


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos, and nothing that says what is on them."""
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
    return tmp_path


COCO = {
    "images": [{"id": i, "file_name": f"{i}.png", "width": 20, "height": 20} for i in range(4)],
    "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    "annotations": [{"id": i, "image_id": i, "category_id": 1 + i % 2, "bbox": [1, 1, 5, 5]} for i in range(4)],
}
ODD = [None, True, -1, 1e308, 10**400, "x", [], [1], {}, "\x00", "\ud800", "../../etc", "x" * 5000, 1.5]


def open_quietly(folder: Path) -> str:
    """Return "" or what is said; anything but an error of ours goes through."""
    try:
        open_images(folder, boxes=True)
    except TfvisionError as error:
        assert "\n" not in str(error) and len(str(error)) < 5000
        return str(error)
    return ""


def test_odd_values_in_coco_are_refused_or_taken(photos: Path) -> None:
    for table, keys in (("images", COCO["images"][0]), ("categories", COCO["categories"][0])):
        for key in keys:
            for value in ODD:
                content = json.loads(json.dumps(COCO))
                content[table][0][key] = value
                (photos / "a.json").write_text(json.dumps(content))
                open_quietly(photos)
    for key in COCO["annotations"][0]:
        for value in [*ODD, [10**400] * 4]:
            content = json.loads(json.dumps(COCO))
            content["annotations"][0][key] = value
            (photos / "a.json").write_text(json.dumps(content))
            open_quietly(photos)


@pytest.mark.parametrize(
    "text",
    ["[" * 10**5, '{"images": ' * 10**4, '{"images": [NaN, Infinity], "annotations": 1e999}', "9" * 5000, "\xff"],
)
def test_json_that_harms_is_no_coco(text: str, photos: Path) -> None:
    (photos / "a.json").write_text(text, encoding="latin-1")
    assert open_quietly(photos)


@pytest.mark.parametrize(
    "line",
    ["inf .5 .5 .2 .2", "nan .5 .5 .2 .2", "² .5 .5 .2 .2", "1 1e400 .5 .2 .2", "9" * 5000 + " .5 .5 .1 .1", "\0", "1"],
)
@pytest.mark.parametrize(
    "names", ["[a, b]", "{²: a}", "{'" + "9" * 5000 + "': a}", "5", "&a [*a]", "!!python/name:os.system", "[[1], [2]]"]
)
def test_odd_yolo_files_are_refused_or_taken(line: str, names: str, photos: Path) -> None:
    (photos / "data.yaml").write_text(f"names: {names}")
    for number in range(4):
        (photos / f"{number}.txt").write_text(line if number == 0 else "0 .5 .5 .2 .2")
    open_quietly(photos)


VOC = "<annotation><object><name>a</name><bndbox>{}</bndbox></object></annotation>".format(
    "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), (1, 1, 5, 5), strict=True)
    )
)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><annotation>&b;</annotation>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>',
        "<annotation>" * 10**5,
        "<annotation>" * 10**5 + "</annotation>" * 10**5,
        "<annotation>" + "<object/>" * 30_000 + "</annotation>",
        "<annotation>" + "x" * (5 << 20) + "</annotation>",
        '<?xml version="1.0" encoding="utf-7"?><annotation/>',
        "\0",
    ],
)
def test_xml_that_harms_is_counted_as_bad(text: str, photos: Path) -> None:
    for number in range(1, 4):
        (photos / f"{number}.xml").write_text(VOC)
    (photos / "0.xml").write_text(text)
    started = time.process_time()
    open_quietly(photos)
    assert time.process_time() - started < 5
