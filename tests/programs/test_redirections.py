# SPDX-License-Identifier: MIT
"""Shell redirections of every shape: the same script leaves the same files,
says the same and ends the same in the mount and in a plain directory."""
import os
import subprocess

import pytest

from harness.tools import clean_env, difference, tree

# Every script begins with these files.
FILES = {"f": "one\ntwo\nthree\n", "g": "eins\nzwei\n", "empty": "",
         "exe": "#!/bin/sh\necho exe: $*\n"}

BOTH = ("dash", "bash")
BASH = ("bash",)
DASH = ("dash",)

# (rules, shells, script)
SCRIPTS = [
    # ---- plain
    ("S4", BOTH, "echo new > f"),
    ("S4", BOTH, "> f"),
    ("S4", BOTH, ": > f; : > made"),
    ("S4", BOTH, "echo a > f; echo b > f; echo c > f"),
    ("S4", BOTH, "echo a > made; cat made; echo b > made; cat made"),
    ("S4", BOTH, "seq 100000 > f; wc f"),
    ("S5 S10", BOTH, "echo more >> f; echo x >> made; echo y >> made"),
    ("S5 S10", BOTH, "for i in 1 2 3 4 5; do echo $i >> f; done"),
    ("S5", BOTH, "echo O 1<> f"),
    ("S5", BOTH, "exec 3<> f; read x <&3; echo \"read $x\"; echo T >&3"),
    ("S7", BOTH, "echo x 1<> made; cat made"),
    ("S1", BOTH, "cat < f > g; cat f g"),
    ("S1", BOTH, "while read x; do echo \"<$x>\"; done < f > g"),
    ("S4", BOTH, "printf 'a\\0b\\377' > f; od -c f"),
    ("S4", BOTH, "echo a >| f; echo b > \"with space\"; echo c > -; cat < -"),
    ("S4 S27", BOTH, "echo x > /dev/null; echo y > missing/file; echo $?"),
    ("S27", BOTH, "mkdir d; (echo x > d) 2>/dev/null; echo $?; echo y > d/f"),
    ("S27", BOTH, "ln -s f link; echo via > link; ls -F link; cat f"),
    ("S27", BOTH, "ln -s nowhere link; echo via > link; ls; cat nowhere"),
    ("S27", BOTH, "mkfifo p; echo through > p & cat < p; wait; ls -F"),
    ("S17", BOTH, "chmod 751 f; echo new > f; stat -c %a f; umask 077; "
     "echo x > made; stat -c %a made"),
    ("S17", BOTH, "ln f h; echo new > h; cat f; echo more >> f; cat h; "
     "stat -c %h f"),
    ("S17", BOTH, "chmod +x exe; ./exe a; echo 'echo two' > exe; ./exe"),
    # ---- read and write the same file
    ("S5", BOTH, "sort f | cat 1<> f"),
    ("S1 S6", BOTH, "exec 3< f; rm f; echo new > f; cat <&3; cat f"),
    ("S6", BOTH, "{ echo a; cat f; echo b; } > g; cat g"),
    ("S6", BOTH, "exec 3> f; echo a >&3; exec 3>&-; cat f"),
    ("S15", BOTH, "sort -r f > t && mv t f; cat f"),
    # ---- groups and subshells
    ("S11", BOTH, "{ echo a; echo b; } > f"),
    ("S11", BOTH, "{ echo a; sh -c 'echo b'; } >> f"),
    ("S11", BOTH, "( echo a; ( echo b; ( echo c ) ) ) > f"),
    ("S11", BOTH, "( echo a; exit 3 ) > f; echo $?"),
    ("S11", BOTH, "( cd /; echo a; ) > f; cat f"),
    ("S11", BOTH, "{ echo a; } > f; { echo b; } >> f; ( echo c ) >> f"),
    ("S11", BOTH, "{ { echo a; } > f; echo b; } > g; cat f g"),
    ("S11", BOTH, "{ echo a; echo b > g; echo c; } > f; cat f g"),
    ("S11", BOTH, "for i in 1 2 3; do echo $i; done > f"),
    ("S11", BOTH, "if true; then echo yes; else echo no; fi > f"),
    ("S11", BOTH, "case x in x) echo x;; esac > f"),
    ("S11", BOTH, "i=0; while [ $i -lt 5 ]; do i=$((i+1)); echo $i; done > f"),
    ("S11", BOTH, "fun() { echo $1; }; fun a > f; fun b >> f"),
    ("S11", BOTH, "fun() { echo $1; } > f; fun a; fun b"),
    ("S11", BOTH, "eval 'echo a > f'; . ./exe > g; command echo b >> f"),
    ("S11", BOTH, "trap 'echo bye' EXIT; exec > f; echo hello"),
    ("S11", BOTH, "trap 'echo bye > g' EXIT; echo hello > f"),
    ("S11 S19", BOTH, "exec > f; echo hello; exit 5"),
    ("S11 S19", BOTH, "exec > f; echo hello; exec echo end"),
    # ---- descriptors
    ("S11", BOTH, "exec 3> f; echo a >&3; echo b >&3; exec 3>&-"),
    ("S11", BOTH, "exec 3>> f; echo a >&3; sh -c 'echo b >&3'; exec 3>&-"),
    ("S11", BOTH, "exec 3> f; exec 4>&3; exec 3>&-; echo a >&4; exec 4>&-"),
    ("S11", BOTH, "exec 3> f 4> g; echo a >&3; echo b >&4; echo c >&3"),
    ("S11", BOTH, "exec 3> f; echo a >&3"),
    ("S11", BOTH, "exec 3>&1 > f; echo in; exec >&3 3>&-; echo out; cat f"),
    ("S11", BOTH, "{ echo a; echo b >&2; } > f 2> g"),
    ("S11", BOTH, "{ echo a; echo b >&2; echo c; } > f 2>&1"),
    ("S11", BOTH, "{ echo a; echo b >&2; } 2>&1 > f"),
    ("S11", BOTH, "ls missing > f 2>&1; echo $?; cat f"),
    ("S11", BOTH, "{ echo a; echo b >&2; } 2>&1 > f | cat > g"),
    ("S11", BOTH, "{ echo a; echo b >&2; } 3>&1 1>&2 2>&3 2> f | cat > g"),
    ("S5 S10", BOTH, "{ echo a; echo b >&2; echo c; } >> f 2>> f"),
    ("S10", BOTH, "exec 3>> f 4>> f; echo a >&3; echo b >&4; echo c >&3"),
    ("S11", BOTH, "echo a >&- 2> f; echo $? | sed s/[1-9]/bad/"),
    ("S11", BOTH, "cat <&- > f 2> /dev/null; wc -c < f"),
    ("S11", BOTH, "echo gone > f; exec 3< f; rm f; cat <&3; ls f 2>/dev/null"),
    # ---- here-documents
    ("S4", BOTH, "cat > f << EOF\nhere $((1+1))\ndoc\nEOF\n"),
    ("S4", BOTH, "cat > f << 'EOF'\nhere $((1+1))\nEOF\n"),
    ("S5", BOTH, "cat >> f <<- EOF\n\there\n\tdoc\n\tEOF\n"),
    ("S4", BOTH, "cat << A > f; cat << B > g\nfirst\nA\nsecond\nB\n"),
    ("S4", BOTH, "while read a; do echo got $a; done << EOF > f\n1\n2\nEOF\n"),
    ("S4", BASH, "cat <<< 'a string' > f; read x <<< hello; echo $x >> f"),
    ("S4", BOTH, "sh > f << EOF\necho from\necho script\nEOF\n"),
    # ---- pipelines
    ("S11", BOTH, "cat f | tr a-z A-Z > g"),
    ("S11", BOTH, "cat f | tee g made > f2; cat f2"),
    ("S11", BOTH, "cat f | tee -a g >> empty"),
    ("S11", BOTH, "echo a | { read x; echo $x; cat f; } > g"),
    ("S11", BOTH, "{ echo a; echo b; } | while read x; do echo $x >> f; done"),
    ("S19", BOTH, "yes | head > f; wc -l f"),
    ("S19", BOTH, "yes | head -c 300000 > f; wc -c f"),
    ("S19", BOTH, "{ echo start > f; yes; } | head -n 1; cat f"),
    ("S19", BOTH, "seq 1000000 | sed 3q > f"),
    ("S19", BASH, "set -o pipefail; yes | head -n 1 > f; echo $?"),
    ("S19", BASH, "yes | head -n 2 > f; echo ${PIPESTATUS[*]}"),
    ("S19", BOTH, "echo x | cat > f | cat > g; wc -c f g"),
    ("S19", BOTH, "{ sh -c 'echo a; kill -9 $$'; echo $?; } > f 2>/dev/null"),
    ("S11", BOTH, "sort f f | uniq -c | sort -rn > g"),
    ("S11", BOTH, "find . -type f | sort | xargs md5sum > /tmp/none-$$; "
     "mv /tmp/none-$$ sums; cut -c 1-32 sums"),
    ("S11", BOTH, "tar cf - f g | (mkdir d && cd d && tar xf -); cat d/f"),
    ("S11", BOTH, "gzip -nc f > f.gz; gunzip < f.gz > g; cat g"),
    ("S11", BASH, "diff <(sort f) <(sort g) > made; echo $?"),
    ("S11", BASH, "exec 3> >(tr a-z A-Z > g); p=$!; cat f >&3; "
     "exec 3>&-; wait $p; cat g"),
    ("S11", BASH, "exec 3> >(cat > g); p=$!; echo a >&3; exec 3>&-; "
     "wait $p; cat g"),
    ("S11", BASH, "coproc { tr a-z A-Z > g; }; p=$COPROC_PID; "
     "cat f >&${COPROC[1]}; eval \"exec ${COPROC[1]}>&-\"; wait $p; cat g"),
    # ---- background jobs
    ("S11", BOTH, "echo a > f & wait; cat f"),
    ("S11", BOTH, "for i in 1 2 3 4; do echo $i > f$i & done; wait; "
     "cat f1 f2 f3 f4"),
    ("S20", BOTH, "for i in 1 2 3 4 5 6; do echo $i >> f & done; wait; "
     "sort f > g; rm f"),
    ("S4", BOTH, "for i in 1 2 3 4 5 6; do seq 20000 > f & done; wait; "
     "md5sum f"),
    ("S11", BOTH, "{ echo a; (echo b; echo c) & wait; echo d; } > f"),
    ("S11", BOTH, "(echo a; echo b) > f & p=$!; wait $p; echo $?; cat f"),
    ("S11", BOTH, "exec 3> f; (echo child >&3) & wait; echo parent >&3"),
    ("S11", BOTH, "nohup sh -c 'echo a' > f 2> /dev/null; cat f"),
    # ---- all of bash
    ("S11", BASH, "{ echo a; echo b >&2; } &> f"),
    ("S11", BASH, "{ echo a; echo b >&2; } &>> f"),
    ("S11", BASH, "{ echo a; echo b >&2; } |& cat > f"),
    ("S11", BASH, "exec {fd}> f; echo a >&$fd; exec {fd}>&-"),
    ("S11", BASH, "exec 3> f; exec 4>&3-; echo a >&4"),
    ("S5", BASH, "exec 3<> f; read -N 4 -u 3; printf X >&3; cat <&3"),
    ("S1", BASH, "mapfile -t a < f; printf '%s\\n' \"${a[@]}\" x > f"),
    ("S1", BASH, "echo \"$(< f) and $(< g)\" > f"),
    ("S7", BASH, "set -C; echo x > f; echo $?; echo y > made; echo $?; "
     "echo z >| f"),
    ("S7", BOTH, "set -C; (echo x > f) 2> /dev/null; echo $?; echo y > made; "
     "(echo z > made) 2> /dev/null || echo z >> made"),
    ("S7", BOTH, "set -C; for i in 1 2 3 4; do "
     "(echo $i > lock) 2> /dev/null && echo got >> g & done; wait; rm lock"),
    # ---- files of the class append
    ("S26", BOTH, "for i in 1 2 3 4; do echo $i >> a.log & done; wait; "
     "sort a.log; rm a.log"),
    ("S26", BOTH, "{ echo a; cat a.log; echo b; } >> a.log; cat a.log"),
    ("S26", BOTH, "echo a > a.log; echo b >> a.log; cat a.log"),
]

# What differs in the mount, and is promised: (rules, shells, script, what it
# says, the files that are not as they were).
DIFFERENT = [
    # Readers keep the version that they have opened.
    # cat compares inode numbers: it finds that it would write what it reads,
    # and gives up, where a plain directory gives it an empty file to read.
    ("S4", BOTH, "cat < f > f; cat f", "", {"f": ""}),
    ("S4", DASH, "cat f > f 2> g; cat f", "",
     {"f": "", "g": "cat: f: input file is output file\n"}),
    ("S1", BOTH, "exec 3< f; echo new > f; cat <&3; cat f",
     FILES["f"] + "new\n", {"f": "new\n"}),
    ("S1", BOTH, "exec 3< f; read a <&3; read b <&3; echo $b $a > f; "
     "read c <&3; echo $c >> f", "", {"f": "two one\nthree\n"}),
    # dash opens the file, and sort is another process, which sees the old one.
    ("S6", DASH, "sort f > f; cat f", "one\nthree\ntwo\n",
     {"f": "one\nthree\ntwo\n"}),
    ("S6", BOTH, "mkfifo p q; { echo > q; read x < p; echo $x; } > f & "
     "read y < q; cat f; echo go > p; wait; cat f; rm p q",
     FILES["f"] + "go\n", {"f": "go\n"}),
    # So a new file cannot be moved or removed by others before it is there.
    ("S7", BOTH, "{ echo a; mv t u; echo b; } > t", "", {"t": "a\nb\n"}),
    ("S7", BOTH, "{ echo a; rm t; echo b; } > t", "", {"t": "a\nb\n"}),
    ("S7", BOTH, "exec 3> t; mv t f; echo b >&3; exec 3>&-; cat t",
     "b\n", {"t": "b\n"}),
    # tee has opened f itself, and dies by SIGPIPE.
    ("S19", BOTH, "yes | tee f | head -n 1 > g", "", {"g": "y\n"}),
    ("S19", BASH, "{ yes 2> f; echo $?; } | head -n 1 > g", "", {"g": "y\n"}),
]

CASES = [pytest.param(shell, script, id=f"{shell}-{script}")
         for _, shells, script in SCRIPTS for shell in shells]


def run_in(directory, shell, script):
    """What a script in @directory says, how it ends, and what it leaves."""
    for name, text in FILES.items():
        (directory / name).write_text(text)
    done = subprocess.run([shell, "-c", script], cwd=directory, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=clean_env(),
                          timeout=60, errors="replace")
    return (done.returncode, done.stdout,
            done.stderr.replace(os.fspath(directory), ".")), tree(directory)


@pytest.fixture
def place(module_mount, request):
    """A directory for one script."""
    path = module_mount / f"d{len(os.listdir(module_mount.mnt))}"
    path.mkdir()
    yield path
    module_mount.settle()
    module_mount.check_log()


@pytest.mark.parametrize("shell, script", CASES)
def test_same(place, tmp_path, shell, script):
    """S1, S4, S5, S6, S7, S10, S11, S15, S17, S19, S20, S26, S27: each script
    has the rules it shows beside it."""
    plain = tmp_path / "plain"
    plain.mkdir()
    want, want_tree = run_in(plain, shell, script)
    got, got_tree = run_in(place, shell, script)
    assert got == want
    assert got_tree == want_tree, difference(got_tree, want_tree)


@pytest.mark.parametrize("shell, script, says, changes", [
    pytest.param(shell, *rest, id=f"{shell}-{rest[0]}")
    for _, shells, *rest in DIFFERENT for shell in shells])
def test_different(place, module_mount, tmp_path, shell, script, says, changes):
    """S1, S4, S6, S7, S19: where the mount does better than the directory."""
    module_mount.allow_log(f"rolled back '{place.name}/f': killed")
    plain = tmp_path / "plain"
    plain.mkdir()
    got, _ = run_in(place, shell, script)
    left = {p.name: p.read_text() for p in place.iterdir()}
    assert got[:2] == (0, says)
    assert left == {**FILES, **changes}
    same = run_in(plain, shell, script)
    assert (got, left) != (same[0], {
        p.name: p.read_text() for p in plain.iterdir()})
