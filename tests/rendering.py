"""The script ansible/rendering.py as a module: its folder is none that Python imports from."""

import importlib.util
import sys

from tests.paths import ROOT

_spec = importlib.util.spec_from_file_location("rendering", ROOT / "ansible" / "rendering.py")
rendering = importlib.util.module_from_spec(_spec)
sys.modules["rendering"] = rendering
_spec.loader.exec_module(rendering)
