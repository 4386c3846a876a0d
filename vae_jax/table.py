"""Tables of what can be chosen by name: losses, networks, data sets, scores and the rest, all filled the same way."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from vae_jax.errors import InputError, nearest

EntryT = TypeVar("EntryT")


class Table(Mapping[str, EntryT], Generic[EntryT]):
    """Entries by name, in alphabetical order, added by the modules of one package as they are imported.

    These modules are all imported at the first lookup, so a new file in the folder is found automatically.

    Args:
      kind: what an entry is called in a message.
      package: the package whose modules add entries.
    """

    def __init__(self, kind: str, package: str):
        self.kind, self._package = kind, package
        self._entries: dict[str, EntryT] = {}
        self._filled = False

    def add(self, name: str, entry: EntryT) -> None:
        """Add an entry under a name.

        Raises:
          ValueError: the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"a {self.kind} named {name!r} exists already; choose another name.")
        self._entries[name] = entry

    def find(self, name: str, given: str | None = None) -> EntryT:
        """The entry under a name; `given` is how the user wrote it, as in `--loss vea`.

        Raises:
          InputError: there is none; suggests a close name and lists all.
        """
        if name not in self:
            raise InputError(f"{given or name}: no such {self.kind}; {nearest(name, self)}")
        return self[name]

    def _fill(self) -> dict[str, EntryT]:
        if not self._filled:
            self._filled = True  # first, since the modules may look into the table themselves
            try:
                package = import_module(self._package)
                for module in iter_modules(package.__path__):
                    import_module(f"{self._package}.{module.name}")
            except BaseException:
                self._filled = False
                raise
        return self._entries

    def __getitem__(self, name: str) -> EntryT:
        return self._entries[name] if name in self._entries else self._fill()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._fill()))

    def __len__(self) -> int:
        return len(self._fill())


def summary(thing: Any) -> str:
    """The first line of a docstring, which `--help` shows."""
    return (thing.__doc__ or "").partition("\n")[0]
