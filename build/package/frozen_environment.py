"""First code of the frozen agent: undo what PyInstaller's loader did to the environment, and stand
in for modules that were left out.

A child with our LD_LIBRARY_PATH would load our libraries into the system's programs. The loader of
this process read the variable when it started, so it no longer needs it.

pymongo imports all of itself twice, once for asyncio, which nothing here uses: 1 MB of memory on
every node. It takes three names from there; each becomes an empty class here.
"""

import os
import sys
from types import ModuleType

original = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
os.environ.pop("LD_LIBRARY_PATH", None)
if original:
    os.environ["LD_LIBRARY_PATH"] = original
for name in [name for name in os.environ if name.startswith("_PYI_")]:
    del os.environ[name]

LEFT_OUT = {"": (), "helpers": ("_getaddrinfo",), "mongo_client": ("AsyncMongoClient",)}
for part, names in LEFT_OUT.items():
    place = f"pymongo.asynchronous.{part}".rstrip(".")
    sys.modules[place] = module = ModuleType(place)
    for name in names:
        setattr(module, name, type(name, (), {}))
