"""Names -> classes. Built-in classes are imported when asked for; third-party ones come from entry points.

A package adds a sampler or field with an entry point in the group `nint.samplers` or `nint.fields`:

    [project.entry-points."nint.samplers"]
    mine = "my_package:MySampler"
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
from typing import Any

from nint import settings
from nint.errors import UsageError, nearest


class Registry:
    """One kind of thing that can be named in text form.

    Args:
        noun: What an entry is called in messages ("sampler").
        builtin: id -> "module:Class" of the built-in ones, in the order in which they are listed.
        group: Entry-point group of third-party ones, or None where there are none.
        base: Class that every entry must derive from.
    """

    def __init__(self, noun: str, builtin: dict[str, str], group: str | None = None, base: type = object) -> None:
        self.noun = noun
        self.base = base
        self.group = group
        self._builtin = builtin
        self._added: dict[str, type] = {}
        self._loaded: dict[type, str] = {}

    def names(self, plugins: bool = True) -> list[str]:
        """Ids: built-in first, then registered, then (unless `plugins` is False) entry points."""
        names = [*self._builtin, *self._added]
        if plugins and self.group:
            names += [point.name for point in self._entry_points()]
        return list(dict.fromkeys(names))

    def add(self, name: str, cls: type) -> None:
        """Registers a class under a name for this process.

        Raises:
            UsageError: for the name of a built-in, which cannot be replaced.
        """
        if name in self._builtin:
            raise UsageError(f"'{name}' is the name of a built-in {self.noun}; choose another.")
        self._added[name] = cls

    def get(self, name: str) -> type:
        """The class behind an id.

        Raises:
            UsageError: for an unknown id (names the nearest), or a plug-in that cannot be imported.
        """
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            builtin: type = getattr(importlib.import_module(module), attribute)
            return builtin
        if name in self._added:
            return self._added[name]
        for point in self._entry_points():
            if point.name == name:
                return self._load(point)
        raise UsageError(f"There is no {self.noun} called '{name}'.{nearest(name, self.names())}")

    def parse(self, text: Any) -> Any:
        """Text form, class or ready spec -> spec; what is none of these is returned as it is.

        Raises:
            UsageError: for a text form that cannot be read, or another class.
        """
        if isinstance(text, type):
            if not issubclass(text, self.base):
                known = f"a text form such as '{next(iter(self._builtin), '')}', or a {self.base.__name__}"
                raise UsageError(f"The class {text.__name__} is no {self.noun}; give {known}.")
            return text()
        if not isinstance(text, str):
            return text
        name, raw = settings.split_text(text)
        return settings.build(self.get(name), name, raw)

    def name_of(self, spec: Any) -> str:
        """The id under which the class of a spec is known (its class name for one that is not registered)."""
        cls = type(spec)
        where = f"{cls.__module__}:{cls.__qualname__}"
        for name, target in self._builtin.items():
            if target == where:
                return name
        for name, added in self._added.items():
            if added is cls:
                return name
        if cls in self._loaded:
            return self._loaded[cls]
        for point in self._entry_points():
            if point.value.replace(" ", "") == where:
                return point.name
        return cls.__name__

    def text(self, spec: Any) -> str:
        """Spec -> text form."""
        return settings.text_form(spec, self.name_of(spec))

    def canonical(self, text: str) -> str:
        """The shortest text form in current names; a text that cannot be read is returned as it is."""
        try:
            return self.text(self.parse(text))
        except UsageError:
            return text

    def _load(self, point: importlib.metadata.EntryPoint) -> type:
        try:
            cls = point.load()
        except Exception as error:  # a plug-in may fail in any way; the message names it
            raise UsageError(f"The {self.noun} '{point.name}' of {point.value} cannot be loaded: {error}") from error
        if not (isinstance(cls, type) and dataclasses.is_dataclass(cls) and issubclass(cls, self.base)):
            raise UsageError(
                f"The {self.noun} '{point.name}' of {point.value} must be a dataclass, derived from {self.base.__name__}, "
                "whose fields are its settings."
            )
        self._loaded[cls] = point.name  # its entry point may name it by another module than its own
        return cls

    def _entry_points(self) -> list[importlib.metadata.EntryPoint]:
        if not self.group:
            return []
        return sorted(importlib.metadata.entry_points(group=self.group), key=lambda point: point.name)
