# SPDX-License-Identifier: MIT
"""Fixtures of all tests that mount.

The daemon under test is $ATOMICFS (build/fs/atomicfs), the command line
$ATOMICIO.  $ATOMICFS_TEST_SCALE stretches the long tests, $ATOMICFS_TEST_SLOW
multiplies the time a test may take (for slow builds, as those with a
sanitizer).
"""
import os
import platform
import re
import shutil
import tempfile

import pytest

from harness import tools
from harness.loop import loop_mount, make_image
from harness.mount import Mount, daemon_path
from harness.peer import Peer
from harness.watchdog import Overtime, Watchdog

LIMIT_SECONDS = 120
MODES = {"passthrough": ["passthrough=auto"], "served": ["passthrough=off"]}


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "limit(seconds): how long this test may take")
    config.addinivalue_line(
        "markers", "mount_options(*options): of the fixture `mount`")
    config.addinivalue_line("markers", "memory: looks at the daemon's memory")

    if not config.option.basetemp:
        # Not below a directory that other runs of pytest close to others.
        config.option.basetemp = tempfile.mkdtemp(prefix="atomicfs-tests-")


def pytest_unconfigure(config):
    if getattr(config, "all_passed", False):
        shutil.rmtree(config.option.basetemp, ignore_errors=True)


def pytest_sessionfinish(session, exitstatus):
    # What a failed test leaves is there to be looked at.
    session.config.all_passed = exitstatus == 0


def can_pass_through():
    """Whether this machine can do FUSE passthrough at all."""
    release = platform.release().split("-")[0].split(".")
    return os.getuid() == 0 and tuple(map(int, release[:2])) >= (6, 9)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else LIMIT_SECONDS
    seconds *= float(os.environ.get("ATOMICFS_TEST_SLOW", "1"))
    seconds *= max(1.0, tools.scale())
    try:
        with Watchdog(seconds):
            yield
    except Overtime as e:
        pytest.exit(f"{item.nodeid}: {e}", 3)


@pytest.fixture(params=list(MODES), scope="module")
def io(request):
    """How files are read and written: by the kernel, or by the daemon."""
    if request.param == "passthrough" and not can_pass_through():
        pytest.skip("needs root and Linux 6.9 for passthrough")
    return request.param


@pytest.fixture(scope="session")
def daemon():
    path = daemon_path()
    if not os.access(path, os.X_OK):
        pytest.exit(f"{path} is missing: build it, or set ATOMICFS", 2)
    return path


def open_to_all(*directories):
    """Other users must be able to reach the mount."""
    for path in directories:
        path.chmod(0o711)


class Factory:
    def __init__(self, base, io, daemon):
        self.base, self.io, self.daemon = base, io, daemon
        self.mounts = []

    def __call__(self, *options, **kwargs):
        """A running Mount with these options, beside the mode's."""
        base = self.base / f"m{len(self.mounts)}"
        one = Mount(base, [*MODES[self.io], *options], program=self.daemon,
                    **kwargs)
        self.mounts.append(one)
        return one.start()

    def finish(self):
        errors = []
        for one in reversed(self.mounts):
            try:
                one.finish()
            except AssertionError as e:
                errors.append(str(e))
        assert not errors, "\n".join(errors)


@pytest.fixture
def make_mount(tmp_path, io, daemon):
    """Mounts of a test: make_mount("policy=none", source=...)."""
    open_to_all(tmp_path, tmp_path.parent)
    factory = Factory(tmp_path, io, daemon)
    yield factory
    factory.finish()


@pytest.fixture
def mount(make_mount, request):
    """An empty source, mounted."""
    marker = request.node.get_closest_marker("mount_options")
    return make_mount(*(marker.args if marker else ()))


@pytest.fixture(scope="module")
def module_mount(tmp_path_factory, io, daemon):
    """One mount for a module whose tests only need a directory in it."""
    base = tmp_path_factory.mktemp("shared")
    open_to_all(base, base.parent)
    factory = Factory(base, io, daemon)
    yield factory()
    factory.finish()


@pytest.fixture
def place(module_mount, request):
    """A fresh directory in the module's mount.  The daemon has to keep silent
    during the test."""
    name = re.sub(r"\W+", "-", request.node.name)
    path = module_mount / name
    path.mkdir()
    yield path
    module_mount.check_log()


@pytest.fixture
def peer():
    """Another process; see harness/peer.py."""
    with Peer() as one:
        yield one


@pytest.fixture
def make_peer():
    peers = []

    def make(**kwargs):
        peers.append(Peer(**kwargs))
        return peers[-1]
    yield make
    for one in peers:
        one.__exit__()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """compiled("name") is the program of harness/name.c."""
    directory = tmp_path_factory.mktemp("programs")
    programs = {}

    def get(name):
        if name not in programs:
            programs[name] = tools.compile_c(name, directory)
        return programs[name]
    return get


@pytest.fixture
def xfs_image(tmp_path):
    """A mounted xfs, which has reflinks."""
    image = make_image(tmp_path / "xfs.img", 512 << 20, "mkfs.xfs", "-q")
    with loop_mount(image, tmp_path / "xfs") as directory:
        yield directory


@pytest.fixture
def ext4_image(tmp_path):
    """ext4_image(size): a mounted ext4 of @size bytes."""
    stack = []

    def make(size):
        n = len(stack)
        image = make_image(tmp_path / f"ext4-{n}.img", size, "mkfs.ext4",
                           "-q", "-F")
        context = loop_mount(image, tmp_path / f"ext4-{n}")
        directory = context.__enter__()
        stack.append(context)
        return directory
    yield make
    for context in reversed(stack):
        context.__exit__(None, None, None)
