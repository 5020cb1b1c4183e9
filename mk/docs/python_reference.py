"""Prints the reference of the Python package as a page: public names with signature and words.

raftcore.aio comes first, the host, then the core. In each part the class to begin with is first, and errors are last.
"""

import enum
import inspect

import raftcore
import raftcore.aio


def signature(thing) -> str:
    try:
        return str(inspect.signature(thing))
    except (TypeError, ValueError):
        return ""


def words(thing) -> str:
    return inspect.getdoc(thing) or ""


def place(name: str, thing) -> tuple:
    """Sorts Group, Node and Config before other names, errors behind them."""
    first = ["Group", "Machine", "write", "Options", "Node", "Config", "Ready"]
    is_error = inspect.isclass(thing) and issubclass(thing, Exception)
    return is_error, first.index(name) if name in first else len(first), name


def part(module, title: str, done: set) -> None:
    print(f"## {title}\n\n```text\n{words(module)}\n```\n")
    things = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    for name in sorted(things, key=lambda name: place(name, things[name])):
        thing = things[name]
        if not inspect.ismodule(thing) and callable(thing) and words(thing) and id(thing) not in done:
            done.add(id(thing))
            entry(name, thing)


def entry(name: str, thing) -> None:
    if inspect.isclass(thing) and issubclass(thing, enum.Enum):
        print(f"### {name}\n\n{words(thing)}\n")
        print("\n".join(f"- `{member.name}` = {member.value}" for member in thing) + "\n")
    elif inspect.isclass(thing):
        print(f"### {name}\n\n```text\n{words(thing)}\n```\n")
        for method, function in sorted(vars(thing).items()):
            if not method.startswith("_") and callable(function) and words(function):
                print(f"#### {name}.{method}\n\n```python\n{method}{signature(function)}\n```\n\n```text\n{words(function)}\n```\n")
    else:
        print(f"### {name}\n\n```python\n{name}{signature(thing)}\n```\n\n```text\n{words(thing)}\n```\n")


print("---\nsearch:\n  boost: 0.3\n---\n\n# Package raftcore for Python\n\nMade from the package's own words.\n")
done: set = set()
part(raftcore.aio, "raftcore.aio, the host", done)
part(raftcore, "raftcore, the core", done)
