"""Registries of what is chosen by name: losses, networks, data sets, scores and the rest, all filled the same way."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from vae_jax.errors import InputError, nearest

EntryT = TypeVar("EntryT")
ThingT = TypeVar("ThingT")
OptionsP = ParamSpec("OptionsP")


def as_is(name: str, thing: Any) -> Any:
    """What is registered, as its own entry."""
    del name
    return thing


class Registry(Mapping[str, EntryT], Generic[EntryT, OptionsP]):
    """Entries by name, in alphabetical order, added by the modules of one package as they are imported.

        @LOSSES.register("vae")
        def negative_elbo(…): …

    These modules are all imported at the first lookup, so a new file in the folder is found automatically.

    Args:
      kind: what an entry is called in a message.
      package: the package whose modules add entries.
      entry: `(name, what is registered, **options) -> entry`; its options are those of `register`. By default what is
        registered is its own entry.
    """

    def __init__(self, kind: str, package: str, entry: Callable[Concatenate[str, Any, OptionsP], EntryT] = as_is):
        self.kind, self._package, self._entry = kind, package, entry
        self._entries: dict[str, EntryT] = {}
        self._aliases: dict[str, str] = {}
        self._filled = False

    def register(self, name: str, *args: OptionsP.args, **options: OptionsP.kwargs) -> Callable[[ThingT], ThingT]:
        """A decorator that adds what it decorates under a name.

        Args:
          name: under which it is found.
          args: passed on to the registry's `entry`.
          options: likewise.

        Raises:
          ValueError: the name is taken.
        """

        def enter(thing: ThingT) -> ThingT:
            self.add(name, self._entry(name, thing, *args, **options))
            return thing

        return enter

    def add(self, name: str, entry: EntryT) -> None:
        """Add an entry as it is.

        Raises:
          ValueError: the name is taken.
        """
        if name in self._entries or name in self._aliases:
            raise ValueError(f"a {self.kind} named {name!r} exists already; choose another name.")
        self._entries[name] = entry

    def alias(self, name: str, *others: str) -> None:
        """Let other names stand for an entry; `find` and `name_of` accept them, and listings leave them out.

        Raises:
          ValueError: one of them is taken.
        """
        for other in others:
            if other in self._entries or other in self._aliases:
                raise ValueError(f"a {self.kind} named {other!r} exists already; choose another name.")
            self._aliases[other] = name

    @property
    def aliases(self) -> Mapping[str, str]:
        """The other names, each with the name that it stands for."""
        self._fill()
        return dict(self._aliases)

    def name_of(self, name: str, given: str | None = None) -> str:
        """The name under which an entry is listed, given that name or an alias; `given` is how the user wrote it.

        Raises:
          InputError: there is no such entry; suggests a close name and lists all.
        """
        if name in self:
            return name
        if name in self._aliases:
            return self._aliases[name]
        raise InputError(f"{given or name}: no such {self.kind}; {nearest(name, self)}")

    def find(self, name: str, given: str | None = None) -> EntryT:
        """The entry under a name or an alias; `given` is how the user wrote it, as in `--loss vea`.

        Raises:
          InputError: there is none; suggests a close name and lists all.
        """
        return self[self.name_of(name, given)]

    def load(self, name: str, given: str | None = None) -> EntryT:
        """The entry that the module of its name adds, without importing the others; else as `find`.

        Raises:
          InputError: there is none of that name.
        """
        modules = {module.name for module in iter_modules(import_module(self._package).__path__)}
        if name in modules:
            import_module(f"{self._package}.{name}")
        return self._entries[name] if name in self._entries else self.find(name, given)

    def _fill(self) -> dict[str, EntryT]:
        if not self._filled:
            self._filled = True  # first, since the modules may look into the registry themselves
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
