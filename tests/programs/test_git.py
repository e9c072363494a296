# SPDX-License-Identifier: MIT
"""git, on the mount and beside it: the same commits, the same files."""
import shutil

from harness.tools import bash, difference, need, run, tree

ORIGIN = """
git init -q -b main origin; cd origin
git config gc.auto 0
for i in $(seq 15); do
    mkdir -p dir$((i % 4))
    seq $((i * 30)) > dir$((i % 4))/file$i
    echo $i >> log.txt
    ln -sf file$i dir$((i % 4))/link
    git add -A; git commit -qm "commit $i"
done
git tag -a -m tag v1
"""

WORK = """
git clone -q --no-local origin work; cd work
echo change >> log.txt
git commit -qam 'one change'
git checkout -q -b topic HEAD~3
for i in 1 2 3; do seq $i 400 > new$i; git add new$i; git commit -qm new$i; done
git rebase -q main
git checkout -q main
echo dirty >> dir1/file5; echo untracked > u
git stash -q -u
git merge -q --no-ff -m merge topic
git stash pop -q
git commit -qam popped
git rebase -q HEAD~4 --exec 'test -f log.txt'
git mv dir2 moved; git rm -q dir3/file3; chmod +x moved/file2
git commit -qm moved
git commit -q --amend -m 'moved again'
git format-patch -q -2 -o patches
git reset -q --hard HEAD~2
git am -q patches/*.patch
git cherry-pick HEAD~2 > /dev/null 2>&1 || git cherry-pick --abort || :
git bundle create -q all.bundle --all
git worktree add -q ../second topic
(cd ../second; echo w >> log.txt; git commit -qam second)
git init -q --bare -b main ../bare.git
git push -q ../bare.git main topic v1
git reflog expire --expire=now --all
git gc -q --prune=now
git repack -qadf
git pack-refs --all
git fetch -q origin
rm -rf patches all.bundle
"""

ASK = """
git status --porcelain; git ls-files -s; git log --all --format='%H %T %s'
git count-objects -v | grep -v size; git for-each-ref
"""


def work_in(directory):
    """Returns what git knows of the work there, and the files."""
    bash(ORIGIN, directory)
    bash(WORK, directory)
    said = []
    for name in ("work", "second", "bare.git", "origin"):
        said.append(run(["git", "fsck", "--strict", "--full",
                         "--no-progress"], directory / name))
    said.append(bash(ASK.replace("git status --porcelain; ", ""),
                     directory / "bare.git"))
    for name in ("work", "second", "origin"):
        said.append(bash(ASK, directory / name))
    files = {k: v for k, v in tree(directory).items() if ".git/" not in k}
    for name in ("work", "origin"):
        assert not [n for n in tree(directory / name / ".git")
                    if n.endswith(".lock") or "tmp_" in n]
    return said, files


def test_git(place, tmp_path):
    """S2, S4, S7, S10, S15: clone, commit, rebase, stash, merge, gc, fsck."""
    need("git")
    plain = tmp_path / "plain"
    plain.mkdir()
    want, want_files = work_in(plain)
    got, got_files = work_in(place)
    assert got == want
    # A worktree says where it lies.
    want_files.pop("second/.git")
    got_files.pop("second/.git")
    assert got_files == want_files, difference(got_files, want_files)


# git has a race of its own here, on every file system: a writer that finds no
# objects/xx makes it and creates its file, once, and a gc that comes between
# the two removes the directory again.  (On a plain ext4 or tmpfs this very
# script, without `insist`, fails in 1 to 3 of 100 runs.)  Only that failure is
# tried again; that no other ENOENT hides behind it is for
# tests/fs/test_removed_dirs.py, which knows of every removal.
INSIST = """
insist() {
    until "$@" 2> ../said$t; do
        head -n 1 ../said$t | grep -qx \\
            'error: unable to create temporary file: No such file or directory' ||
            { cat ../said$t >&2; return 1; }
    done
    test ! -s ../said$t || { cat ../said$t >&2; return 1; }
}
"""


def test_many_at_once(place):
    """S2, S7, S15: four worktrees commit and gc in one repository at once."""
    bash(ORIGIN, place)
    bash(INSIST + """
    cd origin; pids=
    for t in 1 2 3 4; do git worktree add -q -b b$t ../t$t; done
    for t in 1 2 3 4; do
        (cd ../t$t
         for i in 1 2 3 4 5; do
             seq $t $((t * i * 50)) > file$t; insist git add file$t
             insist git commit -qm "$t $i"
         done) & pids="$pids $!"
    done
    git gc -q; git repack -qad
    for i in 1 2 3 4 5; do git prune-packed -q; done
    for p in $pids; do wait $p; done
    git fsck --strict --full --no-progress --no-dangling
    for t in 1 2 3 4; do test $(git rev-list --count main..b$t) = 5; done
    """, place)


def test_clone_of_a_clone(place):
    """S10, S17: hard links between two repositories of the mount."""
    bash(ORIGIN, place)
    bash("git -C origin gc -q; git clone -q --local origin copy", place)
    packs = list((place / "copy/.git/objects/pack").glob("*.pack"))
    assert packs and all(p.stat().st_nlink == 2 for p in packs)
    bash("echo x >> log.txt; git commit -qam x; git gc -q; "
         "git fsck --strict --no-progress", place / "copy")
    shutil.rmtree(place / "origin")
    run(["git", "fsck", "--strict", "--full"], place / "copy")
