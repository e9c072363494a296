# SPDX-License-Identifier: MIT
"""JSON against Python's reader and writer, with documents by chance."""
import json
import random

import pytest

from test_cases import must

LISTS = 60  # documents of a list, which is converted at once
INDENTS = [None, 0, 1, 2, "\t"]
ALPHABETS = ["abc xyz", "\x00\x01\x1f\x7f\b\f\n\r\t\"\\/", "éßñ€→",
             "\u2028\u2029\ufeff\uffff\ud7ff\ue000", "😀\U00010000\U0010ffff"]


def text(rand):
    letters = rand.choice(ALPHABETS + ["".join(ALPHABETS)])
    return "".join(rand.choice(letters)
                   for _ in range(rand.choice([0, 1, 5, 8, 9, 20, 100])))


def number(rand):
    return rand.choice([
        lambda: rand.randint(-10, 10),
        lambda: rand.randint(-2**64, 2**64),
        lambda: rand.choice([1, -1]) * 2**63 + rand.randint(-1, 1),
        lambda: rand.randint(-10**50, 10**50),
        lambda: rand.uniform(-1, 1),
        lambda: rand.uniform(-1, 1) * 10.0**rand.randint(-320, 308),
        lambda: round(rand.uniform(-1000, 1000), 2),
        lambda: -0.0,
    ])()


def value(rand, depth=0):
    kind = rand.randrange(8 if depth < 6 else 6)
    if kind == 6:
        return [value(rand, depth + 1) for _ in range(rand.randrange(6))]
    if kind == 7:
        return {text(rand): value(rand, depth + 1)
                for _ in range(rand.choice([0, 1, 3, 12]))}
    if kind < 2:
        return rand.choice([None, True, False])
    return text(rand) if kind < 4 else number(rand)


def exact(document):
    """Equal, with the order of keys, and 1 is not 1.0."""
    return json.dumps(document)


@pytest.mark.parametrize("seed", range(20))
def test_documents(seed):
    """Whatever way Python writes them: we write them as Python does, with the
    same indent, and so that Python reads the same."""
    rand = random.Random(seed)
    documents = [value(rand) for _ in range(LISTS)]
    source = json.dumps(documents, ensure_ascii=rand.random() < 0.5,
                        indent=rand.choice(INDENTS),
                        separators=rand.choice([None, (",", ":"),
                                                (" ,  ", "\t: ")]))
    written = must("json", "json", source.encode()).decode()
    assert exact(json.loads(written)) == exact(documents)
    assert written == json.dumps(documents, ensure_ascii=False,
                                 indent=4) + "\n"


def typed(document):
    """Typed JSON as this project's contract has it."""
    def scalar(kind, spelling):
        return {"type": kind, "value": spelling}
    if document is None:
        return scalar("null", "")
    if isinstance(document, bool):
        return scalar("bool", "true" if document else "false")
    if isinstance(document, int):
        return scalar("integer", str(document))
    if isinstance(document, float):
        return scalar("float", repr(document))
    if isinstance(document, str):
        return scalar("string", document)
    if isinstance(document, list):
        return [typed(item) for item in document]
    return {key: typed(item) for key, item in document.items()}


@pytest.mark.parametrize("seed", range(5))
def test_typed(seed):
    rand = random.Random(seed)
    documents = [value(rand) for _ in range(LISTS)]
    source = json.dumps(documents).encode()
    written = must("json", "typed", source)
    assert exact(json.loads(written)) == exact(typed(documents))
    back = must("typed", "json", json.dumps(typed(documents)).encode())
    assert exact(json.loads(back)) == exact(documents)


def test_seeds_differ():
    assert exact(value(random.Random(1))) != exact(value(random.Random(2)))
