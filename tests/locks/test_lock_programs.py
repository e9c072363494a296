# SPDX-License-Identifier: MIT
"""Programs that lock: the same scripts in a plain directory and on the mount,
and what only the mount makes safe (S21)."""
import mailbox
import os
import subprocess
import sys

import pytest

from harness.locks import wait_for_locks
from harness.tools import bash, need
from lock_help import is_free

# Every script begins with the file f, which holds 0.
SCRIPTS = {
    "free": "flock -n f echo in; echo $?; flock f true; echo $?",
    "taken": "flock f flock -n f echo in || echo $?",
    "code": "flock f flock -n -E 7 f echo in || echo $?",
    "shared": "flock -s f flock -n -s f echo both; "
              "flock -s f flock -n -x f echo in || echo $?; "
              "flock -x f flock -n -s f echo in || echo $?",
    "time": "flock f flock -w 0.2 f echo in || echo $?; "
            "flock -w 0.2 f echo free",
    "different": "flock a flock b flock c flock d/e echo in 2>&1 || echo $?; "
                 "mkdir d; flock a flock b flock d/e echo in; ls a b c d",
    "command": "flock f -c 'echo x; exit 5' || echo $?",
    "no-fork": "flock --no-fork f sh -c 'flock -n f echo in || echo $?'",
    "close": "flock -o f flock -n f echo in || echo $?",
    "directory": "mkdir d; flock d flock -n d echo in || echo $?; "
                 "flock -s d flock -n -s d echo both",
    "descriptor": "exec 9> lock; flock 9; flock -n lock echo in || echo $?; "
                  "flock -u 9; flock -n lock echo free; flock -n 9; "
                  "exec 9>&-; flock -n lock echo free",
    "old descriptor": "exec 9< f; flock -x 9; flock -n f echo in || echo $?; "
                      "flock -s 9; flock -n -s f echo both; "
                      "flock -n f echo in || echo $?",
    "subshell": "( flock -n 9 || exit 1; echo got; "
                "( flock -n 9 || { echo refused; exit; } ) 9> lock ) 9> lock; "
                "( flock -n 9 || exit 1; echo again ) 9> lock",
    "append": "( flock -n 9; ( flock -n 9 || echo no ) 9>> l; ) 9>> l; ls",
    "inherited": "exec 9< f; flock 9; ( exec 8< f; flock -n 8 || echo no; "
                 "flock -n 9 && echo same; flock -u 9 ); flock -n f echo free",
    "timeout": "exec 9< f; flock 9; timeout 0.2 flock f echo in || echo $?; "
               "timeout -s INT 0.2 flock -s f echo in || echo $?; exec 9<&-; "
               "flock -n f echo free",
    "killed": "flock --no-fork f sleep 100 & while flock -n f true; do :; done;"
              " kill $!; wait $! || echo $?; flock -w 20 f echo free",
    "killed waiter": "exec 9< f; flock 9; flock f echo in & "
                     "flock -s f echo in & kill %1 %2; wait; exec 9<&-; "
                     "flock -n f echo free",
    "unlinked": ": > lock; exec 9< lock; flock 9; rm lock; "
                "flock -n lock echo other; "
                "flock -n 9 && echo same",
    "count": "for i in 1 2 3 4; do (for j in 1 2 3 4 5; do flock lock "
             "sh -c 'n=$(cat f); echo $((n + 1)) > f'; done) & done; "
             "wait; cat f",
    "count itself": "for i in 1 2 3 4; do (for j in 1 2 3 4 5; do flock f "
                    "sh -c 'n=$(cat f); echo $((n + 1)) > f'; done) & done; "
                    "wait; cat f",
    "count subshell": "for i in 1 2 3 4; do (for j in 1 2 3 4 5; do "
                      "( flock 9; n=$(cat f); echo $((n + 1)) > f ) 9> lock; "
                      "done) & done; wait; cat f",
    "append lines": "for i in 1 2 3 4; do (for j in 1 2 3 4 5; do "
                    "( flock 9; echo $i$j >&9 ) 9>> lines; done) & done; "
                    "wait; sort lines | tr '\\n' ' '",
}

DOTLOCKS = {
    "dotlockfile": "dotlockfile -l -r 0 -p l; echo $?; cat l | wc -w; "
                   "dotlockfile -c l || echo free; ls; "
                   "dotlockfile -l -r 0 l 2>&1 || echo $?; "
                   "dotlockfile -t l; dotlockfile -u l; ls; "
                   "dotlockfile -c l || echo free",
    "lockfile-create": "lockfile-create --retry 0 f; ls; "
                       "lockfile-check f; echo $?; lockfile-touch -o f; "
                       "lockfile-create --retry 0 f 2>&1 || echo $?; "
                       "lockfile-remove f; lockfile-check f || echo $?; ls",
    "lockfile-create-name": "lockfile-create --retry 0 --lock-name l; "
                            "lockfile-create -r 0 -l l 2>&1 || echo $?; "
                            "lockfile-remove --lock-name l; ls",
    "count": "for i in 1 2 3; do (for j in 1 2 3 4 5; do "
             "until dotlockfile -l -r 0 -p l; do :; done; "
             "n=$(cat f); echo $((n + 1)) > f; dotlockfile -u l; "
             "done) & done; wait; cat f; ls",
    "mkdir": "for i in 1 2 3; do (for j in 1 2 3 4 5; do "
             "until mkdir l 2> /dev/null; do :; done; "
             "n=$(cat f); echo $((n + 1)) > f; rmdir l; "
             "done) & done; wait; cat f; ls",
    "noclobber": "set -C; for i in 1 2 3; do (for j in 1 2 3 4 5; do "
                 "until true 2> /dev/null > l; do :; done 2> /dev/null; "
                 "n=$(cat f); echo $((n + 1)) >| f; rm l; "
                 "done) & done; wait; cat f; ls",
    "link": "for i in 1 2 3; do (echo $i > t$i; for j in 1 2 3 4 5; do "
            "until ln t$i l 2> /dev/null; do :; done; "
            "n=$(cat f); echo $((n + 1)) > f; rm l; "
            "done) & done; wait; cat f; ls",
}


@pytest.fixture
def same(place, module_mount, tmp_path):
    """Run a script in both places; what it says is the same, and returned."""
    def both(script):
        said = []
        for directory in (tmp_path / "plain", place / "mount"):
            directory.mkdir()
            (directory / "f").write_text("0\n")
            said.append(bash(script, directory))
        assert said[0] == said[1]
        wait_for_locks(module_mount, held=0, waiting=0)
        return said[0]
    return both


def table(scripts):
    return pytest.mark.parametrize("script", list(scripts.values()),
                                   ids=[n.replace(" ", "-") for n in scripts])


@table(SCRIPTS)
def test_flock(same, script):
    """S21, S24: flock(1), in all its ways."""
    need("flock")
    said = same(script)
    assert said
    if "n + 1" in script:
        assert said == "20\n"


@table(DOTLOCKS)
def test_lock_files(same, script):
    """S7: locks that are names: made with link, O_EXCL, or mkdir."""
    need("dotlockfile", "lockfile-create")
    said = same(script)
    if "n + 1" in script:
        assert said.startswith("15\n")


def together(directory, program, *args):
    """Four processes run a program of Python's at once."""
    running = [subprocess.Popen([sys.executable, "-c", program, *args, str(n)],
                                cwd=directory) for n in range(4)]
    assert [one.wait() for one in running] == [0, 0, 0, 0]


RENAME = """
for i in 1 2 3 4; do
    (for j in 1 2 3 4 5; do
         HOW f sh -c 'echo $(($(cat f) + 1)) > t$$; mv t$$ f'
     done) &
done
wait; cat f
"""


@pytest.mark.parametrize("how", ["flock", "flock --no-fork", "flock -x -w 60"])
def test_lock_what_is_renamed_over(place, how):
    """S21: lock, write a new file, rename it over the locked one: nothing is
    lost, though each of them locks a file that is gone soon."""
    (place / "f").write_text("0\n")
    assert bash(RENAME.replace("HOW", how), place) == "20\n"
    assert os.listdir(place) == ["f"]


def test_sed_under_a_lock(place):
    """S21: so it is with what sed -i and perl -i rename over it."""
    (place / "f").write_text("n=0\n")
    bash("""
    for i in 1 2 3 4; do
        (for j in 1 2 3 4 5; do
             n=$(flock f sh -c 'n=$(sed -n s/n=//p f)
                                sed -i s/n=.*/n=$((n + 1))/ f; echo $n')
             flock f perl -pi -e 's/(\\d+)/$1 + 1/e' f
         done) &
    done
    wait
    """, place)
    assert (place / "f").read_text() == "n=40\n"
    assert os.listdir(place) == ["f"]


MAIL = """
import mailbox, sys
for n in range(5):
    while True:
        box = mailbox.mbox("box")
        try:
            box.lock()
            break
        except mailbox.ExternalClashError:
            box.close()
    box.add(f"From: {sys.argv[1]}\\nSubject: {n}\\n\\nbody {n}\\n")
    box.flush()
    box.unlock()
    box.close()
"""


def test_mailbox(place, tmp_path):
    """S7, S14, S22: python's mailbox: fcntl locks beside dot locks."""
    for directory in (tmp_path / "plain", place / "mount"):
        directory.mkdir()
        (directory / "box").touch()
        together(directory, MAIL)
        text = (directory / "box").read_text()
        assert text.count("Subject:") == text.count("body") == 20
        assert text.count("\nFrom ") == 19
        assert os.listdir(directory) == ["box"]


def test_mailbox_that_is_replaced(place, new_peer):
    """S21: flush writes a new mailbox and renames it over the locked one."""
    (place / "box").touch()
    box = mailbox.mbox(place / "box")
    for n in range(3):
        box.add(f"Subject: {n}\n\nbody {n}\n")
    box.flush()
    box.lock()
    for n in range(3):
        box.remove(box.keys()[0])
        box.flush()
        peer = new_peer()
        assert not is_free(peer, place / "box", "posix")
    box.close()
    assert is_free(new_peer(), place / "box", "posix")
    assert os.listdir(place) == ["box"]


PYTHON = """
import fcntl, os, sys
how = {"flock": fcntl.flock, "lockf": fcntl.lockf}[sys.argv[1]]
for n in range(25):
    with open("f", "r+") as f:
        how(f, fcntl.LOCK_EX)
        n = int(f.read())
        f.seek(0)
        f.write(f"{n + 1}\\n")
"""


@pytest.mark.parametrize("how", ["flock", "lockf"])
def test_python(place, tmp_path, how):
    """S14, S21, S22: python's fcntl.flock and fcntl.lockf around an update
    of the locked file: four at once lose nothing."""
    for directory in (tmp_path, place):
        (directory / "f").write_text("0\n")
        together(directory, PYTHON, how)
        assert (directory / "f").read_text() == "100\n"


# git itself loses what is added while it commits: it reads the index before it
# locks it.
GIT = """
git init -q -b main r; cd r; git config gc.auto 0
git commit -q --allow-empty -m first
at_once()
{
    pids=
    for t in 1 2 3; do (for i in 1 2 3 4; do $1 $t $i; done) & pids="$pids $!"
    done
    for p in $pids; do wait $p; done
}
add()
{
    seq $1 $(($1 * $2 * 20)) > f$1.$2
    until git add f$1.$2 2> /dev/null; do :; done
}
tag()
{
    git tag -m tag v$1.$2
    until c=$(git commit-tree -m "$1 $2" -p main main: 2> /dev/null) &&
          git update-ref refs/heads/main $c $c^1 2> /dev/null; do :; done
}
at_once add
git commit -q -m all
at_once tag
git status --porcelain; git rev-list --count main; git ls-files | wc -l
git log --format=%s | sort | tr '\\n' ' '; git tag | wc -l; git ls-tree -r main
git fsck --strict --full --no-progress --no-dangling
find .git -name '*.lock'
"""


def test_git_in_one_repository(place, tmp_path):
    """S7, S15: three add to one index and one branch, which git locks with
    index.lock and the like: each refuses the others, and none is lost."""
    need("git")
    said = []
    for directory in (tmp_path, place):
        said.append(bash(GIT, directory))
    assert said[0] == said[1]
    assert said[1].startswith("14\n12\n1 1 1 2 1 3 1 4 2 1 2 2 ")
