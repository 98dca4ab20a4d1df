"""Boxes from CSV and PASCAL VOC: columns, units, several boxes, the frame of EXIF, and everything that can be wrong."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tfvision.data.boxes.orientation import to_stored
from tfvision.data.images.scan import scan
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, UsageError

IMAGE = "a.png"  # 60 x 40


def write(folder: Path, text: str | None = None, names: tuple[str, ...] = (IMAGE,), **annotations: str) -> Path:
    """Write images of 60 x 40, a CSV and XML files."""
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((40, 60, 3), 40 + number, np.uint8))
    if text is not None:
        (folder / "boxes.csv").write_text(text)
    for stem, xml in annotations.items():
        (folder / f"{stem}.xml").write_text(xml)
    return folder


def voc(*boxes: tuple, filename: str = IMAGE, size: tuple[int, int] = (60, 40), name: str = "cat") -> str:
    sides = ("xmin", "ymin", "xmax", "ymax")
    objects = "".join(
        f"<object><name>{name}</name><bndbox>"
        + "".join(f"<{side}>{value}</{side}>" for side, value in zip(sides, box, strict=True))
        + "</bndbox></object>"
        for box in boxes
    )
    return (
        f"<annotation><filename>{filename}</filename><size><width>{size[0]}</width><height>{size[1]}</height></size>"
        f"{objects}</annotation>"
    )


def read(folder: Path, on_bad: str = "fail", **options):
    return scan(open_images(folder, boxes=True, **options), on_bad=on_bad)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("file,xmin,ymin,xmax,ymax", "a.png,10,5,40,25"),
        ("file,Box_X1,Box_Y1,Box_X2,Box_Y2", "a.png,10,5,40,25"),
        ("file,x0,y0,x1,y1", "a.png,10,5,40,25"),
        ("image_id,left,top,right,bottom", "a,10,5,40,25"),
        ("file,bbox_x,bbox_y,bbox_width,bbox_height", "a.png,10,5,30,20"),
        ("file,x,y,w,h", "a.png,10,5,30,20"),
        ("file,xmin,ymin,xmax,ymax,width,height", "a.png,10,5,40,25,60,40"),
        ("file,xmin,ymin,xmax,ymax", "a.png,0.1666666667,0.125,0.6666666667,0.625"),
        ("file,x,y,w,h", "a.png,0.1666666667,0.125,0.5,0.5"),
    ],
)
def test_columns_and_units_are_found(tmp_path, header, row):
    np.testing.assert_allclose(read(write(tmp_path, f"{header}\n{row}\n")).images.boxes, [[10, 5, 40, 25]], atol=1e-6)


def test_columns_can_be_named(tmp_path):
    folder = write(tmp_path, "file,a,b,c,d\na.png,10,5,40,25\n")
    with pytest.raises(DataError, match="--box-columns"):
        read(folder)
    np.testing.assert_allclose(read(folder, box_columns=["a", "b", "c", "d"]).images.boxes, [[10, 5, 40, 25]])
    (folder / "boxes.csv").write_text("file,left,top,the width,the height,row\na.png,10,5,40,25,1\n")
    found = read(folder, box_columns=["left", "top", "the width", "the height"]).images.boxes
    np.testing.assert_allclose(found, [[10, 5, 50, 30]])
    (folder / "boxes.csv").write_text("file,a,b,c,d\na.png,10,5,40,25\n")
    with pytest.raises(DataError, match="no column 'e'"):
        read(folder, box_columns=["a", "b", "c", "e"])
    with pytest.raises(UsageError, match="expected four"):
        read(folder, box_columns=["a", "b"])


def test_a_unit_can_be_named(tmp_path):
    folder = write(tmp_path, "file,xmin,ymin,xmax,ymax\na.png,0,0,1,1\n")
    np.testing.assert_allclose(read(folder).images.boxes, [[0, 0, 60, 40]])
    np.testing.assert_allclose(read(folder, box_unit="pixels").images.boxes, [[0, 0, 1, 1]])


def test_labels_are_read_where_there_are_some(tmp_path):
    folder = write(
        tmp_path, "file,label,xmin,ymin,xmax,ymax\na.png,cat,10,5,40,25\nb.png,dog,1,2,3,4\n", (IMAGE, "b.png")
    )
    found = open_images(folder, boxes=True)
    assert found.class_names == ("cat", "dog") and found.labels.tolist() == [0, 1]
    (folder / "boxes.csv").write_text("file,xmin,ymin,xmax,ymax\na.png,10,5,40,25\nb.png,1,2,3,4\n")
    found = open_images(folder, boxes=True)
    assert found.class_names == ("object",) and found.labels.tolist() == [0, 0]


@pytest.mark.parametrize(("several", "expected"), [("largest", [0, 0, 30, 30]), ("first", [5, 5, 20, 20])])
def test_of_several_boxes_one_counts(tmp_path, several, expected):
    table = "file,xmin,ymin,xmax,ymax\na.png,5,5,20,20\na.png,0,0,30,30\n"
    found = read(write(tmp_path, table), several_boxes=several).images
    np.testing.assert_allclose(found.boxes, [expected])
    assert any(several in note and "1 image" in note for note in found.notes)
    (tmp_path / "boxes.csv").unlink()
    write(tmp_path, a=voc((5, 5, 20, 20), (0, 0, 30, 30)))
    np.testing.assert_allclose(read(tmp_path, several_boxes=several).images.boxes, [expected])


def test_several_boxes_can_be_refused(tmp_path):
    folder = write(tmp_path, "file,xmin,ymin,xmax,ymax\na.png,5,5,20,20\na.png,0,0,30,30\n")
    with pytest.raises(DataError, match=r"2 boxes.*refuse"):
        read(folder, several_boxes="refuse")
    with pytest.raises(UsageError, match="did you mean largest"):
        read(folder, several_boxes="largst")


ROWS = {
    "a.png,50,5,90,25": "outside",
    "a.png,-20,5,30,25": "outside",
    "a.png,40,5,10,25": "inverted",
    "a.png,10,5,10,25": "empty",
    "a.png,nan,5,30,25": "no numbers",
    "a.png,ten,5,30,25": "no numbers",
    "a.png,1e999,5,30,25": "no numbers",
    "c.png,10,5,30,25": "names no image",
    "a.png,,,,": "no box",
}


@pytest.mark.parametrize(("row", "reason"), ROWS.items())
def test_wrong_rows_are_listed_with_the_reason(tmp_path, row, reason):
    folder = write(tmp_path, f"file,xmin,ymin,xmax,ymax\nb.png,1,2,30,20\n{row}\n", (IMAGE, "b.png"))
    with pytest.raises(DataError, match=rf"boxes\.csv row 3[^\n]*{reason}") as error:
        read(folder)
    assert "--on-bad skip" in str(error.value)
    found = read(folder, on_bad="skip")
    assert found.images.ids == ("b.png",)
    np.testing.assert_allclose(found.images.boxes, [[1, 2, 30, 20]])
    assert any(reason in why for _, why in found.unreadable)


def test_all_wrong_rows_are_listed_at_once(tmp_path):
    names = [f"{number}.png" for number in range(2, 2 + len(ROWS))]
    rows = [row.replace("a.png", name) for row, name in zip(ROWS, names, strict=True)]
    table = "\n".join(["file,xmin,ymin,xmax,ymax", "b.png,1,2,30,20", *rows])
    used = tuple(name for name, row in zip(names, rows, strict=True) if name in row)
    with pytest.raises(DataError) as error:
        read(write(tmp_path, table, ("b.png", *used)))
    assert f"{len(ROWS)} boxes that are wrong or missing" in str(error.value)
    assert all(f"boxes.csv row {number} (" in str(error.value) for number in range(3, 3 + len(ROWS)))


def test_no_usable_box_at_all(tmp_path):
    with pytest.raises(DataError, match="no usable box"):
        read(write(tmp_path, "file,xmin,ymin,xmax,ymax\na.png,1,2,1,2\n", (IMAGE,)))


def test_images_without_boxes_and_damaged_images_are_listed(tmp_path):
    folder = write(tmp_path, "file,xmin,ymin,xmax,ymax\na.png,1,2,30,20\nb.png,1,2,30,20\n", (IMAGE, "b.png", "c.png"))
    (folder / "b.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 unreadable of 2 images and 1 boxes") as error:
        read(folder)
    assert "c.png: no row or annotation names this image" in str(error.value)
    assert read(folder, on_bad="skip").images.ids == ("a.png",)


XMLS = {
    "damaged": (voc((1, 2, 3, 4))[:-20], "damaged XML"),
    "entities": ("<!DOCTYPE a [<!ENTITY b 'c'>]>" + voc((1, 2, 3, 4)), "entities"),
    "a file as an entity": (
        "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>" + voc((1, 2, 3, 4), name="&b;"),
        "entities",
    ),
    "another root": ("<html></html>", "no VOC annotation"),
    "nothing": ("", "damaged XML"),
    "no objects": (voc(), "no box"),
    "no corners": (voc().replace("</annotation>", "<object><name>x</name></object></annotation>"), "no numbers"),
    "no image": (voc((1, 2, 3, 4), filename="z.png"), "no image"),
    "another size": (voc((1, 2, 3, 4), size=(120, 80)), "drawn on 120x80 px, the image has 60x40"),
}


@pytest.mark.parametrize(("xml", "reason"), XMLS.values(), ids=XMLS)
def test_wrong_annotations_are_listed_with_the_reason(tmp_path, xml, reason):
    stem = "q" if reason == "no image" else "a"
    folder = write(tmp_path, None, (IMAGE, "b.png"), b=voc((1, 2, 30, 20)), **{stem: xml})
    with pytest.raises(DataError, match=rf"{stem}\.xml[^\n]*{reason}"):
        read(folder)
    assert read(folder, on_bad="skip").images.ids == ("b.png",)


def test_annotations_in_a_namespace_are_read(tmp_path):
    xml = voc((1, 2, 30, 20)).replace("<annotation>", '<annotation xmlns="urn:annotations">')
    assert read(write(tmp_path, a=xml)).images.ids == (IMAGE,)


def test_voc_in_folders_of_its_own_and_with_parts(tmp_path):
    for part in ("train", "valid", "test"):
        for kind in ("JPEGImages", "Annotations"):
            (tmp_path / part / kind).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / part / "JPEGImages" / f"{part}.jpg"), np.zeros((40, 60, 3), np.uint8))
        (tmp_path / part / "Annotations" / f"{part}.xml").write_text(voc((1, 2, 3, 4), filename="x.jpg"))
    found = open_images(tmp_path, boxes=True)
    assert dict(zip(found.ids, found.parts, strict=True)) == {
        f"{part}/JPEGImages/{part}.jpg": {"valid": "validation"}.get(part, part) for part in ("train", "valid", "test")
    }


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_in_stored_pixels_unless_the_size_says_upright(tmp_path, orientation):
    pixels = np.zeros((41, 67, 3), np.uint8)
    pixels[5:30, 11:50] = 255
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    (tmp_path / "boxes.csv").write_text("file,xmin,ymin,xmax,ymax,width,height\na.png,11,5,50,30,67,41\n")
    found = read(tmp_path).images
    rows, columns = np.nonzero(found.read(0)[..., 0])
    upright = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(found.boxes[0], upright)
    width, height, turn = found.frames[0]
    np.testing.assert_allclose(to_stored(found.boxes[0], int(turn), width, height), [11, 5, 50, 30])
    if orientation >= 5:  # drawn on the upright image, as its size tells
        row = ",".join(map(str, upright))
        (tmp_path / "boxes.csv").write_text(f"file,xmin,ymin,xmax,ymax,width,height\na.png,{row},41,67\n")
        np.testing.assert_allclose(read(tmp_path).images.boxes[0], upright)


def test_a_box_may_stand_out_by_what_rounding_makes(tmp_path):
    found = read(write(tmp_path, "file,xmin,ymin,xmax,ymax\na.png,-0.6,5,60.9,40\n"))
    np.testing.assert_allclose(found.images.boxes, [[0, 5, 60, 40]])


def test_arrays_have_no_boxes(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(DataError, match="boxes need image files"):
        open_images(tmp_path, boxes=True)
