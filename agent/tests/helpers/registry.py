"""A stand-in for Windows' registry, where there is none."""

from __future__ import annotations

from contextlib import contextmanager


class Registry:
    """As much of winreg as is asked: folders of folders and values."""

    HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER = "HKLM", "HKCU"

    def __init__(self, tree):
        self.tree = tree

    @contextmanager
    def OpenKey(self, root, path):
        start = self.tree.get(root, {}) if isinstance(root, str) else root
        if path not in start:
            raise FileNotFoundError(2, path)
        yield start[path]

    def QueryInfoKey(self, key):
        return (sum(isinstance(value, dict) for value in key.values()), 0, 0)

    def EnumKey(self, key, number):
        return [name for name, value in key.items() if isinstance(value, dict)][number]

    def QueryValueEx(self, key, name):
        if name not in key:
            raise FileNotFoundError(2, name)
        return key[name], 1
