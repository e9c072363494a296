# SPDX-License-Identifier: MIT
"""Python values to documents of the library and back.

A value crosses as text, in one call: as JSON where that says exactly what it
is, which the json module does in C; else as typed JSON, in which every scalar
tells its type.

Whatever neither can say is refused, with the JSON pointer of the place.
"""
from __future__ import annotations

import base64
import datetime as dt
import json
import re
from typing import Any, Callable, Dict, List, Set

from . import _library
from ._codecs import codec
from ._library import LIMITS, CLimits, Document

_plain = json.JSONEncoder(ensure_ascii=False, allow_nan=False,
                          separators=(",", ":")).encode
_CONTAINERS = (dict, list, tuple)
_TEXT = {str}
_LEAVES = {str, int, float, bool, type(None)}


class Unfit(Exception):
    """@error is what is wrong with the value at ``pointer``."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.steps: List[Any] = []  # from the value up to the root

    @property
    def pointer(self) -> str:
        steps = (str(step).replace("~", "~0").replace("/", "~1")
                 for step in reversed(self.steps))
        return "".join("/" + step for step in steps)


# ---- Python to the library -------------------------------------------------

def to_document(value: Any, limits: CLimits = LIMITS) -> Document:
    """The document that says @value; Unfit, LibraryError."""
    text = _as_json(value)
    if text is not None:
        return _library.load(codec("json"), text, limits)
    try:
        text = _plain(_typed(value, set())).encode()
    except RecursionError:
        raise Unfit(ValueError("it is nested too deeply")) from None
    return _library.load(codec("typed"), text, limits)


def _as_json(value: Any) -> "bytes | None":
    """None if JSON does not say it exactly."""
    try:
        text = _plain(value).encode()
    except (TypeError, ValueError, RecursionError):
        return None
    return text if _has_only_text_keys(value) else None


def _has_only_text_keys(value: Any) -> bool:
    """json turns numbers that are keys into strings.  @value has no cycles."""
    todo = [value]
    while todo:
        members = todo.pop()
        if isinstance(members, dict):
            kinds = set(map(type, members))
            if kinds != _TEXT and not all(issubclass(kind, str)
                                          for kind in kinds):
                return False
            members = members.values()
        elif not isinstance(members, _CONTAINERS):
            continue
        todo += [one for one in members if type(one) not in _LEAVES]
    return True


def _scalar(kind: str, text: str) -> Dict[str, str]:
    return {"type": kind, "value": text}


def _typed(value: Any, above: Set[int]) -> Any:
    """@value as typed JSON.  @above: ids of the containers it is in."""
    if isinstance(value, _CONTAINERS):
        if id(value) in above:
            raise Unfit(ValueError("it contains itself"))
        above.add(id(value))
        try:
            if isinstance(value, dict):
                return _typed_map(value, above)
            return _typed_members(enumerate(value), above)
        finally:
            above.discard(id(value))
    for kinds, write in _WRITERS:
        if isinstance(value, kinds):
            try:
                return write(value)
            except ValueError as e:
                raise Unfit(e) from None
    raise Unfit(TypeError(f"a value of type {type(value).__name__} "
                          "cannot be written"))


def _typed_members(pairs: Any, above: Set[int]) -> List[Any]:
    found = []
    for step, value in pairs:
        try:
            found.append(_typed(value, above))
        except Unfit as e:
            e.steps.append(step)
            raise
    return found


def _typed_map(value: Dict[Any, Any], above: Set[int]) -> Any:
    values = _typed_members(value.items(), above)
    if all(isinstance(key, str) for key in value):
        try:
            return dict(zip(map(_text, value), values))
        except UnicodeEncodeError as e:
            raise Unfit(e) from None
    keys = _typed_members(((key, key) for key in value), above)
    return {"type": "map", "value": list(zip(keys, values))}


def _text(value: str) -> str:
    text = str.__str__(value)
    text.encode()  # a surrogate is no character
    return text


def _datetime(value: dt.datetime) -> Dict[str, str]:
    text = value.isoformat()
    if value.tzinfo is None:
        return _scalar("datetime-local", text)
    offset = value.utcoffset()
    if offset is None or offset % dt.timedelta(minutes=1):
        raise ValueError("RFC 3339 has offsets of whole minutes only")
    return _scalar("datetime", text)


def _time(value: dt.time) -> Dict[str, str]:
    if value.tzinfo is not None:
        raise ValueError("a time of day without a date has no offset")
    return _scalar("time-local", value.isoformat())


# In this order: a bool is an int, a datetime is a date.
_WRITERS: "list[tuple[Any, Callable[[Any], Any]]]" = [
    (str, lambda v: _scalar("string", _text(v))),
    (bool, lambda v: _scalar("bool", "true" if v else "false")),
    (int, lambda v: _scalar("integer", int.__repr__(v))),
    (float, lambda v: _scalar("float", float.__repr__(v))),
    (type(None), lambda v: _scalar("null", "")),
    (dt.datetime, _datetime),
    (dt.date, lambda v: _scalar("date-local", v.isoformat())),
    (dt.time, _time),
    ((bytes, bytearray, memoryview),
     lambda v: _scalar("bytes", base64.b64encode(bytes(v)).decode())),
]


# ---- the library to Python -------------------------------------------------

def from_document(document: Document, limits: CLimits = LIMITS) -> Any:
    """What @document says, as Python values; Unfit, LibraryError."""
    root = document.root()
    try:
        if _library.is_plain(root, limits):
            return json.loads(_library.dump(codec("json"), root, limits))
        return _untyped(json.loads(_library.dump(codec("typed"), root,
                                                 limits)))
    except RecursionError:
        raise Unfit(ValueError("it is nested too deeply")) from None
    except ValueError as e:  # an int of more digits than Python converts
        raise Unfit(e) from None


def _untyped(node: Any) -> Any:
    if isinstance(node, list):
        return _untyped_members(enumerate(node))
    kind = node.get("type")
    if isinstance(kind, str):
        try:
            return _READERS.get(kind, _refuse)(node["value"])
        except ValueError as e:
            raise Unfit(e) from None
    return dict(zip(node, _untyped_members(node.items())))


def _untyped_members(pairs: Any) -> List[Any]:
    found = []
    for step, node in pairs:
        try:
            found.append(_untyped(node))
        except Unfit as e:
            e.steps.append(step)
            raise
    return found


def _pairs(pairs: List[Any]) -> Dict[Any, Any]:
    """A map with keys that are no strings."""
    found = {}
    for key_node, node in pairs:
        key = _untyped(key_node)
        try:
            found[_frozen(key)] = _untyped(node)
        except Unfit as e:
            e.steps.append(key)
            raise
    if len(found) != len(pairs):  # 1, 1.0 and True
        raise ValueError("two keys are equal in Python")
    return found


def _frozen(key: Any) -> Any:
    """@key, hashable."""
    if isinstance(key, list):
        return tuple(map(_frozen, key))
    if isinstance(key, dict):
        raise ValueError("a map is a key, which Python cannot have")
    return key


def _refuse(value: Any, what: str = "a tag of its own") -> Any:
    raise ValueError(f"Python has no value for {what}")


_FRACTION = re.compile(r"\.(\d+)")


def _iso(text: str) -> str:
    """RFC 3339 as every version of Python reads it.  What is finer than a
    microsecond is cut off."""
    text = _FRACTION.sub(lambda m: "." + m[1][:6].ljust(6, "0"), text)
    return text[:-1] + "+00:00" if text.endswith("Z") else text


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(_iso(text))


_READERS: Dict[str, Callable[[Any], Any]] = {
    "string": str,
    "bool": lambda text: text == "true",
    "integer": int,
    "float": float,
    "null": lambda text: None,
    "datetime": _moment,
    "datetime-local": _moment,
    "date-local": dt.date.fromisoformat,
    "time-local": lambda text: dt.time.fromisoformat(_iso(text)),
    "bytes": base64.b64decode,
    "map": _pairs,
    "stream": lambda documents: _refuse(documents, "several documents"),
}
