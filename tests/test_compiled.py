"""Whichever way the package runs, all of it does: every module `tools/compile.py` names is machine code, or none."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
from pathlib import Path

from worldgate import COMPILED
from worldgate.worlds.filesystem import FilesystemWorld

SCRIPT = Path(__file__).resolve().parent.parent / "tools" / "compile.py"


def test_all_of_the_named_modules_are_compiled_or_none():
    spec = importlib.util.spec_from_file_location("compile_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    files = [importlib.import_module(module[:-3].replace("/", ".")).__file__ for module in script.MODULES]
    assert {not file.endswith(".py") for file in files} == {COMPILED}


def test_a_step_and_its_action_pickle():
    world = FilesystemWorld()
    action = world.parse("mkdir new && echo text > new/file; cp -r new other; rm nothing")
    made = world.step(world.initial(0), action)
    assert pickle.loads(pickle.dumps(made)) == made
    assert pickle.loads(pickle.dumps(action)) == action
