"""Runs first in the frozen agent: takes back what PyInstaller's loader put into the environment.

A child with our LD_LIBRARY_PATH would load our libraries into the system's programs. The loader of
this process read the variable when it started, so it no longer needs it.
"""

import os

original = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
os.environ.pop("LD_LIBRARY_PATH", None)
if original:
    os.environ["LD_LIBRARY_PATH"] = original
for name in [name for name in os.environ if name.startswith("_PYI_")]:
    del os.environ[name]
