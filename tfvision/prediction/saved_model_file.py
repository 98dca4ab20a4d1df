"""What a SavedModel would do, read from its file before TensorFlow loads it.

A SavedModel is a program: its graph may write files, open connections and run Python. `saved_model.pb` is a protocol
buffer, of which only the names of operations and functions are read here, wherever they stand.
"""

import mmap
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from tfvision.errors import DataError, listing, printable
from tfvision.prediction.operations import HARMLESS, SAVING

FILE = "saved_model.pb"
_OTHERS = ("saved_model.pbtxt", "saved_model.cpb")  # which TensorFlow takes in its place

_MOST_FIELDS = 2_500_000  # some times what the largest backbone has; some seconds

# Numbers of fields, by message (tensorflow/core/protobuf/saved_model.proto and what it includes).
_META_GRAPHS, _GRAPH, _ASSETS, _OBJECTS = 2, 2, 6, 7  # of SavedModel, and three of MetaGraphDef
_NODES, _LIBRARY = 1, 2  # of GraphDef
_FUNCTIONS, _SIGNATURE, _BODY = 1, 1, 3  # of FunctionDefLibrary, and two of FunctionDef
_NAME, _OPERATION = 1, 2  # of OpDef, and of NodeDef
_OBJECT, _USER_OBJECT, _IDENTIFIER, _CLASS, _SAVER = (
    1,
    4,
    1,
    13,
    16,
)  # of SavedObjectGraph, SavedObject, SavedUserObject

# Python objects that are made in loading; all others are classes that a library registered.
_PLAIN_OBJECTS = frozenset({
    *(b"_generic_user_object", b"signature_map"),
    *(b"trackable_list_wrapper", b"trackable_dict_wrapper", b"trackable_tuple_wrapper"),
})  # fmt: skip
_PLAIN_CLASSES = frozenset({b"", b"tf.TrackableConstant"})  # that TensorFlow registers, and that hold numbers alone
_SAVERS = (b"__inference__traced_save", b"__inference__traced_restore")  # functions that TensorFlow adds to each file
_FUNCTION = b"__"  # begins the name of a function that is called in place of an operation, and of no operation


class _Span(NamedTuple):
    """A stretch of the file: a message or a text. There may be a million, so they are tuples."""

    data: mmap.mmap
    start: int
    end: int
    steps: list[int]  # how many fields were read in the whole file

    def fields(self) -> Iterator[tuple[int, "_Span"]]:
        """Go through the fields that have a length; numbers are passed over.

        Yields:
            Number and content of each.

        Raises:
            ValueError: It is no protocol buffer.
        """
        place = self.start
        while place < self.end:
            tag, place = self._number(place)
            kind = tag & 7
            self.steps[0] += 1
            if self.steps[0] > _MOST_FIELDS:
                raise ValueError(f"it has more than {_MOST_FIELDS:,} fields")
            if kind == 0:
                place = self._number(place)[1]
            elif kind in (1, 5):
                place += 8 if kind == 1 else 4
            elif kind == 2:
                length, place = self._number(place)
                if length > self.end - place:
                    raise ValueError("a field is longer than the file")
                yield tag >> 3, _Span(self.data, place, place + length, self.steps)
                place += length
            else:
                raise ValueError(f"a field has the unknown type {kind}")
        if place != self.end:
            raise ValueError("a field is longer than the file")

    def all(self, *path: int) -> Iterator["_Span"]:
        """Go through what stands at a path of field numbers; a field may be repeated anywhere, and all of it counts.

        Args:
            *path: The numbers, from the outside in.

        Yields:
            Each field.
        """
        for number, field in self.fields():
            if number == path[0]:
                yield from field.all(*path[1:]) if len(path) > 1 else (field,)

    def text(self) -> bytes:
        """Return its bytes."""
        return self.data[self.start : self.end]

    def names(self, text: bytes) -> bool:
        """Tell whether a text stands in it anywhere.

        Args:
            text: The text.

        Returns:
            Whether it does.
        """
        return self.data.find(text, self.start, self.end) >= 0

    def _number(self, place: int) -> tuple[int, int]:
        """Read a number of variable length; return it and the place after it."""
        if place < self.end and self.data[place] < 128:  # as nearly all are
            return self.data[place], place + 1
        value = 0
        for shift in range(0, 70, 7):
            if place >= self.end:
                break
            byte = self.data[place]
            place += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value & 0xFFFFFFFFFFFFFFFF, place
        raise ValueError("a number does not end")


def refuse_programs(folder: Path, name: str | PathLike[str]) -> None:
    """Refuse a SavedModel that does more than to compute, before it is loaded.

    All that its file holds is looked at: nodes of the graph, bodies of functions, called or not, and the objects that
    loading would make. Only operations that compute from their inputs are allowed. Those that save and restore
    variables stand in every SavedModel; they are allowed where nothing but TensorFlow's own saving calls them.

    Args:
        folder: The folder of one version of a SavedModel.
        name: How the user called it, for the error.

    Raises:
        DataError: It has other operations, objects or assets; the message names them. Or it is damaged.
    """
    if found := [other for other in _OTHERS if (folder / other).exists()]:
        raise DataError(f"{name} holds {found[0]}, which tfvision does not read; expected {FILE} alone")
    try:
        with open(folder / FILE, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = sorted(_beyond_computing(_Span(data, 0, len(data), [0])))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{name} cannot be read or is damaged: {FILE}: {error}; export the run again") from None
    if found:
        raise DataError(
            f"{name} does more than to compute: it has {listing([printable(each) for each in found])}. A SavedModel is a "
            "program, and this one might read or write files, open connections or run Python; if you trust who made "
            "it, give --trust (in Python trust=True)"
        )


def _beyond_computing(file: _Span) -> set[str]:
    """Return what a SavedModel has that is not known to be harmless."""
    found: set[str] = set()
    if sum(1 for _ in file.all(_META_GRAPHS)) > 1:  # which TensorFlow loads is for the tags to say
        found.add("several graphs")
    objects = list(file.all(_META_GRAPHS, _OBJECTS))
    if not objects:
        found.add("no objects, as only TensorFlow 1 wrote it")
    if any(True for _ in file.all(_META_GRAPHS, _ASSETS)):
        found.add("assets, files that the graph reads")
    found |= _of_nodes(file.all(_META_GRAPHS, _GRAPH, _NODES))
    functions = list(file.all(_META_GRAPHS, _GRAPH, _LIBRARY, _FUNCTIONS))
    for function in functions:
        found |= _of_function(function)
    if any(each.names(saver) for each in objects for saver in _SAVERS):
        found.add("a function for saving that is called by others")
    for each in file.all(_META_GRAPHS, _OBJECTS, _OBJECT):
        found |= _of_object(each)
    return found


def _of_function(function: _Span) -> set[str]:
    names = [name.text() for name in function.all(_SIGNATURE, _NAME)]
    is_saver = len(names) == 1 and names[0].startswith(_SAVERS)
    found = _of_nodes(function.all(_BODY), SAVING if is_saver else frozenset())
    if not is_saver and any(function.names(saver) for saver in _SAVERS):
        found.add("a function for saving that is called by others")
    return found


def _of_nodes(nodes: Iterator[_Span], besides: frozenset[bytes] = frozenset()) -> set[str]:
    operations = {operation.text() for node in nodes for operation in node.all(_OPERATION)}
    return {
        f"the operation {_shown([each])}" for each in operations - HARMLESS - besides if not each.startswith(_FUNCTION)
    }


def _of_object(each: _Span) -> set[str]:
    kinds = {identifier.text() for identifier in each.all(_USER_OBJECT, _IDENTIFIER)} - _PLAIN_OBJECTS
    kinds |= {name.text() for number in (_CLASS, _SAVER) for name in each.all(number)} - _PLAIN_CLASSES
    return {f"an object {_shown([kind])}" for kind in kinds}


def _shown(names: list[bytes]) -> str:
    return ", ".join(name[:60].decode("utf-8", "backslashreplace") for name in names)
