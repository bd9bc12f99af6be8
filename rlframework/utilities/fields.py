"""Constructor arguments as typed fields, which editors, type checkers, ``help()`` and ``--help`` all read."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache, wraps
from textwrap import indent
from typing import Any, ClassVar, dataclass_transform, get_origin

from pytorch_lightning.core.mixins.hparams_mixin import _given_hyperparameters
from pytorch_lightning.utilities.parsing import collect_init_args, save_hyperparameters
from torch import nn

from rlframework.utilities.arguments import Checked, fits, resolved
from rlframework.utilities.words import in_words


def derived(*, default: None) -> Any:
    """Return a field that ``__post_init__`` fills in where it was not given, so that it is never None afterwards."""
    return field(default=default)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field, derived))
class Fields(Checked):
    """A class whose constructor is made of its annotated fields, by `dataclasses.dataclass`, and checks what it gets.

    A field is an argument by name, ``field(kw_only=False)`` one by place as well. The text under it is its
    documentation. A subclass adds fields, or gives one another default. ``__post_init__`` checks and derives; it calls
    for ``super()``. A subclass with an ``__init__`` of its own keeps it.

    Example:
        >>> class Learner(Fields):
        ...     learning_rate: float = 1e-3
        ...     '''Peak learning rate.'''
        >>> class Slow(Learner):
        ...     learning_rate: float = 1e-6
        >>> Slow().learning_rate, Learner(learning_rate=0.1).learning_rate
        (1e-06, 0.1)
        >>> print(inspect.signature(Slow))
        (*, learning_rate: float = 1e-06) -> None
    """

    def __init_subclass__(cls, **options: Any) -> None:
        _declare(cls)
        by_hand = _constructor_by_hand(cls)
        dataclass(eq=False, repr=False, kw_only=True, init=by_hand is None)(cls)
        if by_hand is None:
            cls.__init__ = _made_of_fields(cls)  # type: ignore[method-assign]
        elif "__init__" not in cls.__dict__:
            cls.__init__ = _before(by_hand, cls)  # type: ignore[method-assign]
        if issubclass(cls, nn.Module):
            # A module as the value of a field is no plain attribute, and its default on the class would hide it.
            for one in fields(cls):  # type: ignore[arg-type]
                if one.init and one.name in cls.__dict__:
                    delattr(cls, one.name)
        super().__init_subclass__(**options)

    def before_fields(self) -> None:
        """Prepare the object for its fields; called first of all."""

    def __post_init__(self) -> None:
        """Check the fields and derive from them; called when they are set."""

    def save_hyperparameters(self, *names: Any, ignore: Any = None, frame: Any = None, logger: bool = True) -> None:
        """Record in ``hparams`` what fields were given, and the arguments of constructors that were written by hand.

        In words, as YAML files have them. An algorithm does it of its own accord; called by it, this leaves out what
        is to be ignored.

        Args:
            *names: Of arguments, to record no others; as of Lightning's method.
            ignore: Names of arguments to leave out.
            frame: Of the constructor that calls; by default the caller's.
            logger: Whether loggers record them, too.
        """
        frame = frame or sys._getframe(1)
        given = _given_hyperparameters.get()
        if given is None:
            # Lightning would look at the fields alone, and at what was derived where nothing was given.
            given = dict(self.__dict__.get("_given", {}))
            constructor = frame
            while constructor.f_code.co_name == "__post_init__":  # whose arguments Lightning before 2.6 would look for
                constructor = constructor.f_back
            for by_hand in collect_init_args(constructor, [], classes=(type(self),)):
                given |= by_hand
        self._log_hyperparams = logger
        words = {name: in_words(value) for name, value in given.items()}
        save_hyperparameters(self, *names, ignore=ignore, frame=frame, given_hparams=words)
        for name in [ignore] if isinstance(ignore, str) else ignore or ():
            for kept in ("_hparams", "_hparams_initial"):
                vars(self)[kept].pop(name, None)


def _declare(cls: type) -> None:
    """Put a class into the form in which `dataclass` reads what was meant.

    - An annotation is resolved in its module: a subclass in another one would not find its names.
    - ``clip_high = 0.28``, without annotation, is another default.
    - ``policy: CausalLMPolicy``, without value, narrows the type of a field, and of a name that is none it makes none.
    - Of ``class C(Mixin, Algorithm)`` `dataclass` would take all that ``Mixin`` inherits for ``Mixin``'s own.
    """
    inherited: dict[str, Field[Any]] = {}
    known: dict[str, Field[Any]] = {}
    for base in reversed(cls.__mro__[1:]):
        its = {one.name: one for one in fields(base)} if is_dataclass(base) else {}
        inherited |= its
        known |= {name: its[name] for name in inspect.get_annotations(base) if name in its}
    # A program that is executed from a text is no module.
    names = getattr(sys.modules.get(cls.__module__), "__dict__", {})
    own = {name: resolved(hint, names) for name, hint in inspect.get_annotations(cls).items()}
    for name, one in known.items():
        if name in cls.__dict__ and name not in own and one.init and not fits(cls.__dict__[name], one.type):
            raise TypeError(
                f"{cls.__name__}.{name} is {cls.__dict__[name]!r:.60}, and {name} is an argument of what it inherits "
                "from: give it a default of the same type, or choose another name"
            )
        if name in own or name in cls.__dict__:
            own.setdefault(name, one.type)
        elif one is not inherited[name]:
            own[name] = one.type
        if name in own and name not in cls.__dict__:
            setattr(cls, name, copy(one))
    for name, hint in own.items():
        if name not in cls.__dict__ and get_origin(hint) is not ClassVar and hint is not ClassVar:
            setattr(cls, name, field(init=False))
        value = cls.__dict__.get(name)
        if isinstance(value, Field) and value.default is None and value.init and not isinstance(hint, str):
            # YAML files write defaults down, and read them again.
            own[name] = hint | None
    cls.__annotations__ = own


def _constructor_by_hand(cls: type) -> Callable[..., None] | None:
    """Return the ``__init__`` that somebody wrote for this class or inherits, None where fields make it."""
    for base in cls.__mro__:
        if base is Fields:
            return None
        init = base.__dict__.get("__init__")
        made = getattr(base.__dict__.get("__dataclass_params__"), "init", False)
        if init is not None and not made and not getattr(init, "made_of_fields", False):
            return init
    return None


def _made_of_fields(cls: type) -> Callable[..., None]:
    made = cls.__init__  # type: ignore[misc]
    signature = inspect.signature(made)

    @wraps(made)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        self.before_fields()
        given = signature.bind(self, *args, **kwargs)
        given.apply_defaults()
        # Past `nn.Module`, which would take modules among them for its own.
        self.__dict__["_given"] = {name: value for name, value in given.arguments.items() if value is not self}
        made(self, *args, **kwargs)

    __init__.made_of_fields = True  # type: ignore[attr-defined]
    __init__.__doc__ = f"Construct it from these arguments.\n\nArgs:\n{_documentation(cls)}"
    return __init__


def _before(by_hand: Callable[..., None], cls: Any) -> Callable[..., None]:
    """Return a constructor for fields that are declared above one that was written by hand, which gets all the rest.

    Another default for a field of a class below that one is handed on to it.
    """
    owner = next(at for at, base in enumerate(cls.__mro__) if base.__dict__.get("__init__") is by_hand)
    above = {name for base in cls.__mro__[:owner] for name in inspect.get_annotations(base)}
    below = {one.name for base in cls.__mro__[owner:] if is_dataclass(base) for one in fields(base)}
    own = {one.name: one for one in fields(cls) if one.name in above and one.init}

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        self.before_fields()
        for name, one in own.items():
            default = one.default if one.default_factory is MISSING else one.default_factory()
            if name in below and default is not MISSING:
                kwargs.setdefault(name, default)
            elif name not in below:
                setattr(self, name, kwargs.pop(name, default))
        by_hand(self, *args, **kwargs)

    taken = inspect.signature(by_hand)
    shown = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty
            if one.default is MISSING and one.default_factory is MISSING
            else one.default,
            annotation=one.type,
        )
        for name, one in own.items()
        if name not in taken.parameters
    ]
    others = list(taken.parameters.values())
    rest = [others.pop()] if others[-1].kind is inspect.Parameter.VAR_KEYWORD else []
    __init__.__signature__ = taken.replace(parameters=[*others, *shown, *rest])  # type: ignore[attr-defined]
    __init__.__annotations__ = {one.name: one.annotation for one in shown}
    return __init__


def _documentation(cls: Any) -> str:
    """Return the lines of an ``Args:`` section, from the texts under the fields of a class and its bases."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Fields):
            texts |= _texts(base.__module__).get(base.__qualname__, {})
    taken = [one.name for one in fields(cls) if one.init]
    return "\n".join(
        f"    {name}: {indent(inspect.cleandoc(texts.get(name, '')), '        ').strip()}" for name in taken
    )


@cache
def _texts(module: str) -> dict[str, dict[str, str]]:
    """Return the text under each field, by the name of its class; nothing where there is no source to read."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, KeyError):
        return {}
    found: dict[str, dict[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for one, below in zip(node.body, node.body[1:], strict=False):
                match one, below:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=text)):
                        found.setdefault(node.name, {})[name] = str(text)
    return found
