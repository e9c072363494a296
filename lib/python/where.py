# SPDX-License-Identifier: MIT
"""where.py PREFIX: print the directory below PREFIX where this Python looks for
packages, and else the usual one.  (meson's own answer is one where Debian's
Python does not look.)
"""
import site
import sys
from pathlib import Path

prefix = Path(sys.argv[1])
usual = prefix / "lib/python{}.{}/site-packages".format(*sys.version_info)
found = [directory for directory in site.getsitepackages()
         if Path(directory) in (
             # Debian: shared by all its versions of Python 3
             prefix / "lib/python3/dist-packages",
             prefix / "lib/python{}.{}/dist-packages".format(
                 *sys.version_info), usual)]
print(found[0] if found else usual)
