"""The order in which the files of the models are imported decides nothing."""

import ast
import inspect
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from lxml import etree
from odoo.models import MetaModel
from odoo.tests import TransactionCase, tagged
from odoo.tools import config

ROOT = Path(__file__).parent.parent
ADDON = "l10n_vn_ibhxh"
LIMIT_SECONDS = 300

OPEN_REVERSED = """
import importlib, json, sys, types
from odoo import modules, tools
from odoo.modules.registry import Registry

files, options, database, root = json.loads(sys.argv[1])
tools.config.parse_config(options, setup_logging=False)
modules.module.initialize_sys_path()
# Packages that import nothing themselves, until the files are there.
packages = {name: types.ModuleType(name) for name in ("{package}", "{package}.models", "{package}.wizards")}
for name, package in packages.items():
    package.__path__ = ["/".join([root, *name.split(".")[3:]])]
sys.modules.update(packages)
for file in files:
    importlib.import_module("{package}." + file)
for name in packages:
    del sys.modules[name]
print(json.dumps(resolved(Registry(database))))
""".replace("{package}", f"odoo.addons.{ADDON}")


def resolved(registry):
    """Return `{model: {attribute: [class, …]}}`: what this addon defines, the class that is reached first first."""
    found = {}
    for name, model in registry.models.items():
        own = [cls for cls in model.__mro__ if cls.__module__.startswith("odoo.addons.l10n_vn_ibhxh.")]
        attributes = {attribute for cls in own for attribute in vars(cls) if not attribute.startswith("__")}
        found[name] = {
            attribute: [f"{cls.__module__}.{cls.__qualname__}" for cls in own if attribute in vars(cls)]
            for attribute in sorted(attributes)
        }
    return {name: attributes for name, attributes in found.items() if attributes}


def imported(package):
    """Return the names that `package/__init__.py` imports, a list for each of its statements."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    return [[alias.name for alias in node.names] for node in tree.body if isinstance(node, ast.ImportFrom)]


@tagged("post_install_l10n", "post_install", "-at_install")
class TestLoadOrder(TransactionCase):
    def test_b16_no_model_is_extended_from_inside_the_module(self):
        """One class for each model, ours and Odoo's; what is long is inherited by another name."""
        classes = MetaModel._module_to_models__[ADDON]
        counts = Counter(cls._name for cls in classes)
        self.assertFalse([name for name, count in counts.items() if count > 1])
        own = {cls._name for cls in classes if cls._name not in cls._inherit}
        self.assertTrue(own)
        self.assertFalse([cls._name for cls in classes if cls._name in own and cls._name in cls._inherit])

    def test_b16_no_file_of_a_model_imports_another_one(self):
        models = {cls.__module__.rpartition(".")[2] for cls in MetaModel._module_to_models__[ADDON]}
        for path in [*ROOT.glob("models/*.py"), *ROOT.glob("wizards/*.py")]:
            if path.name == "__init__.py":
                continue
            nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
            names = {(node.module or "").rpartition(".")[2] for node in nodes if node.level}
            names |= {alias.name for node in nodes if node.level and not node.module for alias in node.names}
            self.assertFalse(names & models, f"{path.name} imports what it shares from const.py, or it is in tools/")

    def test_b16_each_hook_of_a_registration_exists_once(self):
        """Concerns that are inherited by name override neither the model nor one another."""
        registration = self.env.registry["l10n_vn_ibhxh.registration"]
        own = [cls for cls in registration.__mro__ if cls.__module__.startswith(f"odoo.addons.{ADDON}.")]
        concerns = [cls for cls in own if getattr(cls, "_name", "").startswith("l10n_vn_ibhxh.registration")]
        self.assertGreater(len(concerns), 1)
        names = Counter(name for cls in concerns for name in vars(cls) if callable(getattr(cls, name)))
        self.assertFalse([name for name, count in names.items() if count > 1 and not name.startswith("__")])

    def test_b16_views_of_a_model_are_in_one_file_and_extend_none_of_ours(self):
        files, extended = {}, []
        for path in [*ROOT.glob("views/*.xml"), *ROOT.glob("wizards/*.xml")]:
            for view in etree.parse(path).iterfind(".//record[@model='ir.ui.view']"):
                files.setdefault(view.findtext("field[@name='model']"), set()).add(path.name)
                parent = view.find("field[@name='inherit_id']")
                if parent is not None and parent.get("ref").partition(".")[0] in (ADDON, parent.get("ref")):
                    extended.append(view.get("id"))
        self.assertGreater(len(files), 10)
        self.assertFalse({model: names for model, names in files.items() if len(names) > 1})
        self.assertFalse(extended)

    def test_b16_reversed_imports_make_the_same_models(self):
        files = [
            f"{package}.{name}"
            for package in ("models", "wizards")
            for names in imported(package)
            for name in reversed(names)
        ]
        options = [f"--addons-path={','.join(config['addons_path'])}", f"--data-dir={config['data_dir']}"]
        options += [f"--{name}={config[name]}" for name in ("db_host", "db_port", "db_user") if config[name]]
        arguments = json.dumps([files, options, self.env.cr.dbname, str(ROOT)])
        password = {"PGPASSWORD": config["db_password"]} if config["db_password"] else {}
        opened = subprocess.run(
            [sys.executable, "-c", inspect.getsource(resolved) + OPEN_REVERSED, arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            env={**os.environ, **password, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.assertEqual(opened.returncode, 0, opened.stderr)
        self.assertEqual(json.loads(opened.stdout), resolved(self.env.registry))
