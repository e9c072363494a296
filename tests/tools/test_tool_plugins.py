# SPDX-License-Identifier: MIT
"""Plugins as their users build, install and use them, and what becomes of bad
ones: they are listed with the reason, and harm nobody."""
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import time

import pytest
from documents import (DATA, FORMAT, SAMPLES, SLOW, TIMEOUT, build_object, env,
                       fails, install_samples, own_directory, prints, script,
                       write_conf)
from harness.mount import tool_path

INI = "; who\nname = Ada\nage=36\n\n[home]\ncity = London\n"
INI_VALUE = {"name": "Ada", "age": "36", "home": {"city": "London"}}
INI_AGAIN = "name = Ada\nage = 36\n[home]\ncity = London\n"


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return install_samples(tmp_path_factory.mktemp("plugins") / "formats.d")


@pytest.fixture
def plugins(tmp_path):
    """A directory of plugins, empty yet."""
    return own_directory(tmp_path / "formats.d")


def listed(directory):
    """{name: what is known of it}"""
    found = json.loads(prints("formats", "--json", "--formats-dir", directory))
    return {one["name"]: one for one in found}


def convert(directory, text, source, target, **kwargs):
    return prints("convert", "--formats-dir", directory, "--from", source,
                  "--to", target, text=text, **kwargs)


def convert_fails(code, directory, text, source, target):
    return fails(code, "convert", "--formats-dir", directory, "--from", source,
                 "--to", target, text=text)


# ---- the samples -----------------------------------------------------------

def test_listed(samples):
    known = listed(samples)
    assert known["ini"] == {
        "name": "ini", "kind": "object", "source": f"{samples}/ini.so",
        "suffixes": [".ini", ".cfg", ".ini.gz", ".cfg.gz"], "loaded": True,
        "load": True, "dump": True, "validate": True}
    assert known["properties"]["kind"] == "command"
    assert known["users"]["kind"] == "validated"
    assert known["users"]["base"] == "json"
    assert known["json"]["kind"] == known["json"]["source"] == "builtin"
    table = prints("formats", "--formats-dir", samples)
    assert re.search(r"^users +\.users\.json \.users\.json\.gz +"
                     rf"{samples}/users\.conf \(json, validated\)$", table, re.M)


def test_object(samples, tmp_path):
    assert json.loads(convert(samples, INI, "ini", "json")) == INI_VALUE
    assert convert(samples, INI, "ini", "ini") == INI_AGAIN
    value = '{"s": {"t": true, "i": -7, "b": 12345678901234567890, "x": "y"}}'
    assert convert(samples, value, "json", "ini") == (
        "[s]\nt = true\ni = -7\nb = 12345678901234567890\nx = y\n")
    path = tmp_path / "a.ini.gz"
    path.write_bytes(gzip.compress(INI.encode()))
    assert json.loads(prints("convert", "--formats-dir", samples, path, "--to",
                             "json")) == INI_VALUE


def test_object_errors(samples):
    assert convert_fails(DATA, samples, "a = 1\nwhat\n", "ini", "json") == (
        "<stdin>:2:1: neither a section nor key = value")
    assert convert_fails(DATA, samples, "[home\n", "ini", "json") == (
        "<stdin>:1:5: ']' is missing")
    assert "key" in convert_fails(DATA, samples, "a = 1\na = 2\n", "ini",
                                  "json")
    assert convert_fails(DATA, samples, "[1]", "json", "ini") == (
        "atomicio: standard input: INI holds a map")
    assert convert_fails(DATA, samples, '{"a": {"b": {}}}', "json", "ini") == (
        "atomicio: standard input: INI holds texts, numbers and sections")
    # Its own check: of what is read, of what is written, and when asked for.
    said = "a section without keys"
    assert convert_fails(DATA, samples, "[a]\n", "ini", "json") == (
        f"<stdin>:1:1: {said}")
    assert said in convert_fails(DATA, samples, '{"a": {}}', "json", "ini")
    assert fails(DATA, "validate", "--formats-dir", samples, "--from", "ini",
                 "-", text="a = 1\n[s]\n") == f"<stdin>:2:1: {said}"


def test_command(samples):
    text = "# a\nb = c\n d=e f\n"
    assert json.loads(convert(samples, text, "properties", "json")) == {
        "b": "c", "d": "e f"}
    assert convert(samples, '{"ä": "ö"}', "json", "properties") == "ä = ö\n"
    assert convert_fails(DATA, samples, "a=1\n\nb\n", "properties",
                         "json") == "<stdin>:3:1: no '=' in this line"
    assert "the value of a is no text" in convert_fails(
        DATA, samples, '{"a": [1]}', "json", "properties")


def test_validated(samples, tmp_path):
    good, bad = tmp_path / "a.users.json", tmp_path / "b.users.json"
    good.write_text('[{"name": "Ada", "age": 36}]')
    bad.write_text('[{"name": "Ada", "age": 36}, {"name": "Bob"}]')
    with_dir = ("validate", "--formats-dir", samples)
    assert prints(*with_dir, good) == ""
    assert fails(DATA, *with_dir, bad) == (
        f"atomicio: {bad}: user 2 has no age")
    # Not valid JSON comes first, and has a place.
    bad.write_text("[1,]")
    assert fails(DATA, *with_dir, bad).startswith(f"{bad}:1:4: ")
    assert prints("validate", bad.with_name(good.name)) == ""
    assert "no list of users" in convert_fails(DATA, samples, "{}", "json",
                                               "users")


def test_empty(samples):
    """A file of nothing has no value, in every format."""
    for name in ("ini", "properties", "users"):
        assert convert(samples, " \n", name, "json") == "null\n"


def test_binary(samples, plugins):
    """A plugin gets the bytes as they are, and many of them."""
    code = ("import sys, json, hashlib\n"
            "data = sys.stdin.buffer.read()\n"
            "json.dump([len(data), hashlib.sha1(data).hexdigest()],"
            " sys.stdout)\n")
    program = script(plugins / "digest.py", code)
    write_conf(plugins, "digest", suffix=".bin", load=str(program))
    data = os.urandom(15 << 20)
    assert json.loads(convert(plugins, data, "digest", "json")) == [
        len(data), hashlib.sha1(data).hexdigest()]


# ---- objects that are none -------------------------------------------------

PLUGIN = """
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <atomicio/plugin.h>

static int load(struct atio_plugin_call *call, struct atio_builder *b,
                const char *bytes, size_t len)
{
    (void)call, (void)b, (void)bytes, (void)len;
    @load@
}

static int dump(struct atio_plugin_call *call, const struct atio_node *root)
{
    (void)call, (void)root;
    @dump@
}

static int validate(struct atio_plugin_call *call, const char *bytes,
                    size_t len)
{
    (void)call, (void)bytes, (void)len;
    @validate@
}

@extra@

const struct atio_plugin *@symbol@(void)
{
    static const char *const suffixes[] = {@suffixes@, NULL};
    static const struct atio_plugin plugin = {
        .size = @size@, .abi = @abi@, .name = @name@,
        .suffixes = suffixes, .load = load, .dump = dump,
        .validate = @check@};
    @entry@
    return &plugin;
}
"""
PARTS = {"load": "return call->build->null(b);", "extra": "", "entry": "",
         "dump": 'return call->write(call, "x", 1);', "symbol": "atio_plugin",
         "suffixes": '".bad"', "size": "sizeof(plugin)", "name": '"bad"',
         "abi": "ATIO_PLUGIN_ABI", "validate": "return 0;", "check": "NULL"}


def build_bad(directory, file="bad", **parts):
    text = PLUGIN
    for key, value in {**PARTS, **parts}.items():
        text = text.replace(f"@{key}@", value)
    source = directory / "bad.c"
    source.write_text(text)
    build_object(source, directory / f"{file}.so", "-w")
    return directory / f"{file}.so"


CONSTRUCTOR = "__attribute__((constructor)) static void begin(void) {{ {} }}"
UNDESCRIBED = {
    "abi": (dict(abi="2"), "it is of ABI 2, this host is of 1"),
    "size": (dict(size="8"), "its descriptor has 8 bytes, this host knows"),
    "symbol": (dict(symbol="atomic_plugin"), "it has no symbol atio_plugin"),
    "nothing": (dict(entry="return NULL;"), "atio_plugin() returned nothing"),
    "name": (dict(name='"a b"'), "its name 'a b' is not of letters, digits"),
    "no-name": (dict(name="NULL"), "it has no name or no suffixes"),
    "no-suffix": (dict(suffixes="NULL"), "it has no suffixes"),
    "suffix": (dict(suffixes='"bad"'), "'bad' is no suffix"),
    "not-utf8": (dict(suffixes='".\\xff"'), "is not UTF-8"),
    "builtin": (dict(name='"json"'), "the name is taken by builtin"),
    "crash": (dict(entry="raise(SIGSEGV);"), "crashed: Segmentation fault"),
    "constructor": (dict(extra=CONSTRUCTOR.format("abort();")),
                    "the plugin crashed: Aborted"),
    "exit": (dict(extra=CONSTRUCTOR.format("exit(0);")),
             "the plugin ended its process"),
    "_exit": (dict(entry="_exit(0);"), "the plugin ended its process"),
    "missing": (dict(extra="int missing(void);", entry="missing();"),
                "it cannot be loaded: "),
}


@pytest.mark.parametrize("case", UNDESCRIBED)
def test_undescribed(plugins, case):
    parts, reason = UNDESCRIBED[case]
    path = build_bad(plugins, **parts)
    failed = [one for one in json.loads(prints(
        "formats", "--json", "--formats-dir", plugins))
        if one["source"] == str(path)]
    assert len(failed) == 1 and not failed[0]["loaded"]
    assert reason in failed[0]["reason"]
    table = prints("formats", "--formats-dir", plugins)
    assert "NOT LOADED: " in table and reason in table
    # The others work as ever.
    assert convert(plugins, "[1]", "json", "json") == "[\n    1\n]\n"


def test_no_object(plugins):
    for name, data in (("text", b"no ELF"), ("empty", b""), ("cut", None)):
        if data is None:
            data = build_bad(plugins).read_bytes()[:600]
            (plugins / "bad.so").unlink()
        (plugins / f"{name}.so").write_bytes(data)
        # The loader of shared objects may crash itself.
        assert re.match("it cannot be loaded: |the plugin crashed: Bus error",
                        listed(plugins)[name]["reason"])
    assert fails(FORMAT, "convert", "--formats-dir", plugins, "--from", "text",
                 "--to", "json", text="").startswith(
        "atomicio: the format text is not loaded: it cannot be loaded: ")


def test_hangs_when_described(plugins):
    """It costs everybody three seconds, and no more."""
    build_bad(plugins, extra=CONSTRUCTOR.format("sleep(100);"))
    begin = time.monotonic()
    assert listed(plugins)["bad"]["reason"] == "the plugin took more than 3.0 s"
    assert 3 <= time.monotonic() - begin < 8 * SLOW


# ---- objects that go wrong -------------------------------------------------

WRONG = {
    "crash": ("raise(SIGSEGV);", DATA, "the plugin crashed: Segmentation"),
    "abort": ('fprintf(stderr, "why\\n"); abort();', DATA,
              "the plugin crashed: Aborted: why"),
    "exit": ("exit(0);", DATA, "the plugin ended its process"),
    "_exit": ("_exit(0);", DATA, "the plugin ended its process"),
    "exit-3": ('fprintf(stderr, "1:2: no\\n"); exit(3);', DATA, "no"),
    "positive": ("return 5;", DATA, "it returned 5"),
    "errno": ("return -ENOSPC;", DATA, "No space left on device"),
    "invalid": ("return -EINVAL;", DATA, "Invalid argument"),
    "told": ('call->fail(call, 7, 8, "bad luck"); return -EINVAL;', DATA,
             ":7:8: bad luck"),
    "told-only": ('call->fail(call, 0, 0, "bad luck"); return 0;', DATA,
                  "bad luck"),
}


@pytest.mark.parametrize("case", WRONG)
def test_load_goes_wrong(plugins, case):
    action, code, message = WRONG[case]
    build_bad(plugins, load=action)
    assert message in convert_fails(code, plugins, "x", "bad", "json")


@pytest.mark.parametrize("case", WRONG)
def test_dump_goes_wrong(plugins, case):
    """Half of a document is none."""
    action, code, message = WRONG[case]
    build_bad(plugins, dump='call->write(call, "half", 4); ' + action)
    message = message.replace(":7:8: ", "").replace("1:2: ", "")
    assert message in convert_fails(code, plugins, "1", "json", "bad")


@pytest.mark.parametrize("case", WRONG)
def test_validate_goes_wrong(plugins, case):
    action, code, message = WRONG[case]
    build_bad(plugins, validate=action, check="validate")
    assert message in fails(code, "validate", "--formats-dir", plugins,
                            "--from", "bad", "-", text="x")


BUILT_WRONG = {
    "unfinished": ("return call->build->map(b);", ""),
    "end": ("return call->build->end(b);", ""),
    "twice": ('call->build->map(b); for (int i = 0; i < 2; i++) {'
              'call->build->string(b, "k", 1); call->build->null(b); }'
              'return call->build->end(b);', "k"),
    "not-utf8": ('return call->build->string(b, "\\xff", 1);', "UTF-8"),
    "no-digits": ('return call->build->digits(b, "1x", 2);', ""),
    "deep": ("for (int i = 0; i < 200; i++) call->build->seq(b); return 0;",
             "128"),
    "ignored": ('call->build->string(b, "\\xff", 1); return 0;', "UTF-8"),
}


@pytest.mark.parametrize("case", BUILT_WRONG)
def test_load_builds_wrong(plugins, case):
    """The host enforces limits, also on one that does not look."""
    action, message = BUILT_WRONG[case]
    build_bad(plugins, load=action)
    assert message in convert_fails(DATA, plugins, "x", "bad", "json")


def test_prints(plugins):
    """Its standard output is nobody's, and neither is a warning."""
    noise = 'printf("noise\\n"); fflush(stdout); write(1, "n", 1);'
    build_bad(plugins, extra=CONSTRUCTOR.format(noise),
              load=noise + 'fprintf(stderr, "warning\\n");'
              ' return call->build->integer(b, 7);',
              dump=noise + 'return call->write(call, "ok\\n", 3);')
    assert convert(plugins, "x", "bad", "json") == "7\n"
    assert convert(plugins, "1", "json", "bad") == "ok\n"


def test_endless_output(plugins):
    build_bad(plugins, dump='for (;;) if (call->write(call, "xxxxxxxxxxxxxxx",'
              ' 15) < 0) return -EIO;')
    assert convert_fails(DATA, plugins, "1", "json", "bad") == (
        "atomicio: standard input: the plugin writes more than 67108864 bytes")


def test_memory(plugins):
    """All that it gets is its half GiB."""
    build_bad(plugins, load="""
        size_t n = 0;
        while (n < 4096 && malloc(1 << 20)) n++;
        return call->build->boolean(b, n < 512);""")
    if json.loads(convert(plugins, "x", "bad", "json")) is False:
        assert SLOW > 1, "no limit, without a sanitizer"


def test_too_slow(plugins):
    """Nine seconds are fine, eleven are not; six of processor time neither."""
    for name, action in (("nine", "sleep(9);"), ("hang", "sleep(100);"),
                         ("busy", "for (;;) bytes = bytes + 0;")):
        build_bad(plugins, name, name=f'"{name}"', suffixes=f'".{name}"',
                  load=f"volatile int always = 1; if (always) {{ {action} }}"
                  " return call->build->null(b);")
    begin, running = time.monotonic(), {}
    for name in ("nine", "hang", "busy"):
        running[name] = subprocess.Popen(
            [tool_path(), "convert", "--formats-dir", plugins, "--from", name,
             "--to", "json", plugins / "bad.c"], env=env(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = {name: (*p.communicate(timeout=60), p.returncode)
            for name, p in running.items()}
    assert time.monotonic() - begin < 12 * max(SLOW, 1.5)
    assert said["nine"] == ("null\n", "", 0)
    path = plugins / "bad.c"
    hangs = f"atomicio: {path}: the plugin took more than 10.0 s\n"
    assert said["hang"] == ("", hangs, TIMEOUT)
    # A machine that is busy does not give it that much in ten seconds.
    assert said["busy"] in [("", text, TIMEOUT) for text in (
        f"atomicio: {path}: the plugin took more than 5 s of processor time\n",
        hangs)]


# ---- commands that go wrong ------------------------------------------------

COMMANDS = {
    "silent": ("", "the plugin wrote nothing"),
    "no-json": ("print('no')", "what the plugin wrote is no valid JSON, line"),
    "twice": ("print('1 2')", "what the plugin wrote is no valid JSON, line"),
    "error": ("import sys; print('why\\nnot', file=sys.stderr); sys.exit(1)",
              ": why"),
    "mute": ("import sys; sys.exit(1)", ": the plugin failed"),
    "traceback": ("1 / 0", ": Traceback"),
    "supported": ("import sys; sys.exit(2)", ": the plugin cannot do that"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "crashed: Killed"),
    "escape": ("import sys; sys.exit('\\33[31m red')", ": ?[31m red"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_command_goes_wrong(plugins, case):
    code, message = COMMANDS[case]
    write_conf(plugins, "c", suffix=".c",
               load=str(script(plugins / "c.py", code)))
    assert message in convert_fails(DATA, plugins, "x", "c", "json")


def test_command_is_alone(plugins, tmp_path):
    """No environment, no directory, no descriptors of ours."""
    code = ("import os, json\n"
            "print(json.dumps([dict(os.environ), os.getcwd(), "
            "sorted(os.listdir('/proc/self/fd'))]))\n")
    write_conf(plugins, "c", suffix=".c",
               load=f"{script(plugins / 'c.py', code)}")
    environ, cwd, fds = json.loads(convert(plugins, "x", "c", "json",
                                           cwd=tmp_path))
    environ.pop("LC_CTYPE", None)  # which Python itself adds
    assert environ == {"PATH": "/usr/local/bin:/usr/bin:/bin",
                       "LANG": "C.UTF-8"}
    assert cwd == "/"
    assert fds == ["0", "1", "2", "3"]  # 3: of listdir


def test_only_one_way(plugins):
    """A format may be read-only, or write-only."""
    program = script(plugins / "c.py", "print(1)")
    write_conf(plugins, "r", suffix=".r", load=str(program))
    write_conf(plugins, "w", suffix=".w", dump=str(program))
    assert "the format r cannot be written" in convert_fails(
        DATA, plugins, "1", "json", "r")
    assert "the format w cannot be read" in convert_fails(
        DATA, plugins, "1", "w", "json")
    assert "the format w cannot be read" in fails(
        DATA, "validate", "--formats-dir", plugins, "--from", "w", "-",
        text="x")
    known = listed(plugins)
    assert [known["r"][what] for what in ("load", "dump", "validate")] == [
        True, False, True]
    assert [known["w"][what] for what in ("load", "dump", "validate")] == [
        False, True, False]


# ---- whose they are --------------------------------------------------------

FOREIGN = "it belongs to somebody else, or others can write to it"


def test_world_writable(plugins):
    program = script(plugins / "c.py", "print(1)")
    conf = write_conf(plugins, "c", suffix=".c", load=str(program))
    assert listed(plugins)["c"]["loaded"]
    for path, mode in ((conf, 0o666), (program, 0o777), (plugins, 0o777)):
        before = path.stat().st_mode & 0o7777
        path.chmod(mode)
        known = listed(plugins)
        name = str(plugins) if path == plugins else "c"
        assert not known[name]["loaded"] and FOREIGN in known[name]["reason"]
        path.chmod(before)
    assert listed(plugins)["c"]["loaded"]


def test_object_writable(plugins):
    """It is not even looked into: no code of it runs."""
    mark = plugins / "mark"
    path = build_bad(plugins, extra=CONSTRUCTOR.format(
        f'fclose(fopen("{mark}", "w"));'))
    path.chmod(0o757)
    assert listed(plugins)["bad"]["reason"] == FOREIGN
    assert not mark.exists()
    path.chmod(0o755)
    assert listed(plugins)["bad"]["loaded"] and mark.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_foreign(plugins):
    path = build_bad(plugins)
    os.chown(path, 12345, 12345)
    assert listed(plugins)["bad"]["reason"] == FOREIGN


def test_interpreter(plugins):
    """What an interpreter is told to run counts, too."""
    program = script(plugins / "c.py", "print(1)")
    write_conf(plugins, "c", suffix=".c", load=f"{sys.executable} {program}")
    assert convert(plugins, "x", "c", "json") == "1\n"
    program.chmod(0o666)
    assert listed(plugins)["c"]["reason"] == f"{program}: {FOREIGN}"


def test_directories(plugins, tmp_path):
    missing = tmp_path / "missing"
    assert fails(DATA, "formats", "--formats-dir", missing) == (
        f"atomicio: {missing}: No such file or directory")
    write_conf(plugins, "c", suffix=".c", load="/bin/cat")
    # A relative path, and a link.
    (tmp_path / "link").symlink_to(plugins)
    for name in ("formats.d", "./formats.d/", "link", "link/."):
        assert json.loads(prints("convert", "--formats-dir", name, "--from",
                                 "c", "--to", "json", text="[1]",
                                 cwd=tmp_path)) == [1]


def test_suffixes(plugins, tmp_path):
    """By the name of a file, the longest one."""
    for name, suffix in (("one", ".one"), ("two", ".two.one")):
        write_conf(plugins, name, suffix=suffix, load=str(
            script(plugins / f"{name}.py", f"print('\"{name}\"')")))
    write_conf(plugins, "mine", suffix=".json", load="/bin/cat", dump=str(
        script(plugins / "mine.sh", "exec echo mine", "/bin/sh")))
    for name, value in (("a.one", "one"), ("a.two.one", "two"),
                        ("A.TWO.ONE", "two"), ("two.one", "one")):
        (tmp_path / name).write_text("x")
        assert prints("convert", "--formats-dir", plugins, tmp_path / name,
                      "--to", "txt").strip() == value
    out = tmp_path / "out.json"
    assert prints("convert", "--formats-dir", plugins, "--from", "json", "-",
                  out, text="1") == ""
    assert out.read_text() == "mine\n"


def test_same_suffix(plugins):
    """The first one has it; of the other one is told what it is."""
    for name, suffix in (("one", ".x"), ("two", ".y .X")):
        write_conf(plugins, name, suffix=suffix, load="/bin/cat")
    known = listed(plugins)
    assert known["one"]["loaded"] and not known["two"]["loaded"]
    assert known["two"]["reason"] == ".X is taken by one"
    assert known["two"]["suffixes"] == [".y", ".X", ".y.gz", ".X.gz"]


def test_as_documented(plugins):
    """The line that is written in the sample builds it."""
    line = re.search(r"cc (-shared -fPIC) -o \S+/ini.so ini.c",
                     (SAMPLES / "ini.c").read_text())
    build_object(SAMPLES / "ini.c", plugins / "ini.so", *line[1].split())
    assert listed(plugins)["ini"]["loaded"]
