# SPDX-License-Identifier: MIT
"""Random TOML: trees of values, documents that say them in the many ways that
TOML has, and damage done to documents.  The same seed gives the same."""
import datetime as dt
import math
import string

BARE = string.ascii_letters + string.digits + "_-"
# What strings are made of: each kind of character that is treated in its own
# way somewhere.
PIECES = list("abc xyz,=#[]{}.:'\"\\\t\n_-09") + [
    "''", "'''", '""', '"""', "\n\n", " \n", "\\n", "\u00e9", "\u4e16",
    "\U0001f600", "\x7f", "\x01", "\b", "\f", "\r", "\ud7ff", "\ue000",
    "\U0010ffff", "\x00", "\x1f", "\x80", "\ufeff"]


def text(rng):
    return "".join(rng.choices(PIECES, k=rng.choice([0, 1, 2, 3, 5, 8, 20])))


def key(rng):
    if rng.random() < 0.75:
        return "".join(rng.choices(BARE, k=rng.randint(1, 6)))
    return text(rng)


def integer(rng):
    kind = rng.random()
    if kind < 0.1:
        return rng.choice([0, -1, 2**63 - 1, -2**63])
    return rng.randint(-10**rng.randint(1, 18), 10**rng.randint(1, 18))


def real(rng):
    kind = rng.random()
    if kind < 0.15:
        return rng.choice([math.inf, -math.inf, math.nan, 0.0, -0.0, 5e-324,
                           1.7976931348623157e308])
    if kind < 0.5:
        return rng.choice([1.5, 0.1, 1e22, 1e16, 123456.75, 1e-7])
    return rng.uniform(-1, 1) * 10.0**rng.randint(-300, 300)


def moment(rng):
    """One of the four kinds of dates and times."""
    date = dt.date(rng.randint(1, 9999), rng.randint(1, 12),
                   rng.randint(1, 28))
    time = dt.time(rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59),
                   rng.choice([0, 0, 1, 999999, 120000]))
    kind = rng.randrange(4)
    if kind == 0:
        return date
    if kind == 1:
        return time
    zone = None
    if kind == 2:
        minutes = rng.choice([0, 0, 60, -420, 330, 1439, -1439])
        zone = dt.timezone(dt.timedelta(minutes=minutes))
    return dt.datetime.combine(date, time, zone)


def scalar(rng):
    kind = rng.choices([text, integer, real, moment, None],
                       [40, 25, 15, 10, 10])[0]
    return kind(rng) if kind else rng.random() < 0.5


def value(rng, depth):
    kind = rng.random()
    if depth <= 0 or kind < 0.5:
        return scalar(rng)
    if kind < 0.6:  # what an array of tables can say
        return [table(rng, depth - 1) for _ in range(rng.randint(1, 3))]
    if kind < 0.75:
        return [value(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    return table(rng, depth - 1)


def table(rng, depth=4):
    return {key(rng): value(rng, depth)
            for _ in range(rng.choice([0, 1, 2, 3, 4, 8]))}


# ---- documents -----------------------------------------------------------

CONTROLS = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r",
            '"': '\\"', "\\": "\\\\"}


def escaped(rng, char):
    if char in CONTROLS and rng.random() < 0.8:
        return CONTROLS[char]
    if ord(char) <= 0xffff and rng.random() < 0.7:
        return f"\\u{ord(char):04{rng.choice('xX')}}"
    return f"\\U{ord(char):08{rng.choice('xX')}}"


def is_control(char):
    return char != "\t" and (char < " " or char == "\x7f")


def basic(rng, content):
    return '"' + "".join(
        escaped(rng, c) if c in '"\\' or is_control(c) or rng.random() < 0.05
        else c for c in content) + '"'


def basic_lines(rng, content):
    said = "\n" if content.startswith("\n") or rng.random() < 0.5 else ""
    quotes = 0
    for c, after in zip(content, content[1:] + "x"):
        quotes = quotes + 1 if c == '"' else 0
        plain = c == "\n" or not (c == "\\" or is_control(c))
        if plain and quotes < 3 and rng.random() > 0.05:
            said += c
        else:
            said += escaped(rng, c)
            quotes = 0
        if after not in " \t\n" and rng.random() < 0.05:
            said += "\\" + rng.choice(["\n", " \n", "\n \n\t"])
            quotes = 0
    return '"""' + said + '"""'


def quoted(rng, content, lines=True):
    """A string in any of the ways that can say it."""
    ways = [basic(rng, content)]
    plain = not any(is_control(c) and c != "\n" for c in content)
    if plain and "\n" not in content and "'" not in content:
        ways.append(f"'{content}'")
    if lines:
        if plain and "'''" not in content:
            start = "\n" if content[:1] == "\n" or rng.random() < 0.5 else ""
            ways.append(f"'''{start}{content}'''")
        ways.append(basic_lines(rng, content))
    return rng.choice(ways)


def underscored(rng, digits):
    return "".join(c + ("_" if rng.random() < 0.1 and i < len(digits) - 1
                        else "") for i, c in enumerate(digits))


def said_integer(rng, number):
    form = rng.choice(["d", "d", "d", "x", "X", "o", "b"])
    if number < 0 or form == "d":
        sign = "-" if number < 0 else rng.choice(["", "", "", "+"])
        return sign + underscored(rng, str(abs(number)))
    return f"0{form.lower()}" + underscored(rng, f"{number:0{form}}")


def said_real(rng, number):
    sign = "-" if math.copysign(1, number) < 0 else rng.choice(["", "", "+"])
    if math.isnan(number):
        return rng.choice(["nan", "+nan", "-nan"])
    if math.isinf(number):
        return sign + "inf"
    digits = repr(abs(number))
    if rng.random() < 0.3:
        digits = f"{abs(number):.17e}"
    if rng.random() < 0.3:
        digits = digits.replace("e", "E")
    whole, point, rest = digits.partition(".")
    if point:
        whole = underscored(rng, whole)
    return sign + whole + point + rest


def said_moment(rng, moment_):
    said = moment_.isoformat()
    if isinstance(moment_, dt.datetime):
        said = said.replace("T", rng.choice("Tt "))
        if said.endswith("+00:00"):
            said = said.replace("+00:00", rng.choice(["Z", "z", "-00:00"]))
    return said


class Writer:
    """Says a table as a document, in ways taken at random."""

    def __init__(self, rng):
        self.rng = rng
        self.newline = rng.choice(["\n", "\n", "\n", "\r\n"])

    def chance(self, probability):
        return self.rng.random() < probability

    def blank(self):
        return self.rng.choice(["", "", " ", "\t", "  "])

    def comment(self):
        return self.rng.choice(["", "", "", "", " # x = 1", "#\u00e9\t\"'"])

    def space(self):
        """Between the members of an array."""
        if self.chance(0.8):
            return self.blank()
        return self.blank() + self.comment() + self.newline + self.blank()

    def key(self, name):
        if name and all(c in BARE for c in name) and self.chance(0.9):
            return name
        return quoted(self.rng, name, lines=False)

    def path(self, names):
        dots = [self.blank() + "." + self.blank() if self.chance(0.1) else "."
                for _ in names]
        return "".join(dot + self.key(name)
                       for dot, name in zip(dots, names))[len(dots[0]):]

    def inline(self, value_):
        rng = self.rng
        if isinstance(value_, bool):
            return "true" if value_ else "false"
        for kind, say in ((str, quoted), (int, said_integer),
                          (float, said_real)):
            if isinstance(value_, kind):
                return say(rng, value_)
        if isinstance(value_, list):
            members = [self.space() + self.inline(v) + self.space()
                       for v in value_]
            comma = "," if members and self.chance(0.2) else ""
            return "[" + ",".join(members) + comma + self.space() + "]"
        if isinstance(value_, dict):
            return "{" + ",".join(
                self.blank() + entry + self.blank()
                for entry in self.entries(value_, [])) + self.blank() + "}"
        return said_moment(rng, value_)

    def entries(self, table_, names):
        """key = value of all that is in a table, some with dots."""
        for name, value_ in table_.items():
            path = names + [name]
            if isinstance(value_, dict) and value_ and self.chance(0.3):
                yield from self.entries(value_, path)
            else:
                yield (self.path(path) + self.blank() + "=" + self.blank() +
                       self.inline(value_))

    def line(self, content):
        return self.blank() + content + self.blank() + self.comment()

    def section(self, header, entries):
        lines = [self.line(header)] if header else []
        lines += [self.line(entry) for entry in entries]
        if self.chance(0.2):
            lines.append(self.line(""))
        return lines

    def table(self, table_, names, element=False):
        """The lines of a table and of those below it."""
        plain, below = {}, []
        for name, value_ in table_.items():
            path = names + [name]
            tables = isinstance(value_, list) and value_ and all(
                isinstance(v, dict) for v in value_)
            if isinstance(value_, dict) and self.chance(0.7):
                below.append(self.table(value_, path))
            elif tables and self.chance(0.7):
                below.append([line for v in value_
                              for line in self.table(v, path, True)])
            else:
                plain[name] = value_
        self.rng.shuffle(below)
        header = ""
        if element:
            header = "[[" + self.blank() + self.path(names) + "]]"
        elif names and (plain or not below or self.chance(0.3)):
            header = "[" + self.path(names) + self.blank() + "]"
        own = self.section(header, self.entries(plain, []))
        if names and not element:
            below.insert(self.rng.randint(0, len(below)), own)
        else:
            below.insert(0, own)
        return [line for lines in below for line in lines]

    def document(self, table_):
        end = self.newline if self.chance(0.8) else ""
        return self.newline.join(self.table(table_, [])) + end


def document(rng, table_):
    return Writer(rng).document(table_)


def skeleton(rng):
    """A few headers and entries of few names, which often collide."""
    lines = []
    for _ in range(rng.randint(2, 6)):
        path = ".".join(rng.choices("ab", k=rng.randint(1, 4)))
        lines.append(rng.choice([
            f"[{path}]", f"[{path}]", f"[[{path}]]", f"{path} = 1",
            f"{path} = 1", f"{path} = {{}}", f"{path} = {{a.b = 1}}",
            f"{path} = [{{a = 1}}]", f"{path} = {{a = [], b.a = 1, b.b = 2}}"
        ]))
    return "\n".join(lines)


# ---- damage --------------------------------------------------------------

TOKENS = list("[]{}=,.#\"'\\ \t\n\r_-+:0159aeEftTzZ") + [
    "[[", "]]", '"""', "'''", "\r\n", "\\u", "\\U0010FFFF", "\\uD800", "inf",
    "nan", "true", "0x", "0o", "0b", "1_0", "__", "1e5", "2024-02-29",
    "2023-02-29", "24:00:00", "23:59:59.5", "\x00", "\x1f", "\x7f", "\u00e9",
    "a.b = 1\n", "[a]\n", "[[a]]\n", "[a.b]\n", "a = {b = 1}\n", "-00:00"]


def damage(rng, document_):
    """One to three small changes."""
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randint(0, len(document_))
        kind = rng.randrange(6)
        lines = document_.split("\n")
        if kind == 0:
            document_ = document_[:at] + document_[at + 1:]
        elif kind == 1:
            document_ = document_[:at] + rng.choice(TOKENS) + document_[at:]
        elif kind == 2:
            document_ = (document_[:at] + rng.choice(TOKENS) +
                         document_[at + 1:])
        elif kind == 3:
            lines.insert(rng.randint(0, len(lines)), rng.choice(lines))
            document_ = "\n".join(lines)
        elif kind == 4:
            rng.shuffle(lines)
            document_ = "\n".join(lines)
        else:
            document_ = document_[:at]
    return document_
