"""Reads YAML that strangers wrote: one document, small, flat enough, each key once.

Knows no scheduler. Aliases count at their full size, so that a short text can't stand for a huge
one; what refers to itself is refused.
"""

from __future__ import annotations

from typing import Any

import yaml

from kycgate.errors import Malformed

BYTES_MOST = 256 * 1024
NODES_MOST = 20_000
"""With every alias written out."""
DEPTH_MOST = 32

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSES = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def read_yaml(text: Any, *, field: str) -> dict[str, Any]:
    """The mapping a YAML text holds. Raises Malformed."""
    if not isinstance(text, str):
        raise Malformed("not a text", field=field)
    if len(text.encode("utf-8", "surrogatepass")) > BYTES_MOST:
        raise Malformed("too long", field=field, remedy=f"at most {BYTES_MOST} bytes")
    try:
        _require_flat(text, field)
        # PyYAML itself goes one level down per nested node: only now is that bounded.
        root = yaml.compose(text, Loader=_LOADER)
        if root is None:
            raise _unreadable(field)
        _require_small(root, field)
        _require_single(root, field)
        value = yaml.load(text, Loader=_LOADER)  # noqa: S506  (a safe loader, C or Python)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise _unreadable(field) from error
    if not isinstance(value, dict):
        raise _unreadable(field)
    return value


def _require_flat(text: str, field: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        depth += isinstance(event, _OPENS)
        depth -= isinstance(event, _CLOSES)
        if depth > DEPTH_MOST or count > 2 * NODES_MOST:
            raise Malformed("nested too deep or too long", field=field)


def _require_small(root: yaml.Node, field: str) -> None:
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in open_nodes or len(open_nodes) > DEPTH_MOST:
            raise Malformed("refers to itself, or nested too deep", field=field)
        open_nodes.add(id(node))
        total = 1 + sum(size(child) for child in _children(node))
        open_nodes.discard(id(node))
        if total > NODES_MOST:
            raise Malformed("too large with its aliases written out", field=field)
        sizes[id(node)] = total
        return total

    size(root)


def _require_single(root: yaml.Node, field: str) -> None:
    """Each key once: readers differ on which of two counts. No merges either, for that reason."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        waiting.extend(_children(node))
        if isinstance(node, yaml.MappingNode):
            keys = [(key.tag, key.value) for key, _ in node.value]
            if any(not isinstance(key, yaml.ScalarNode) for key, _ in node.value):
                raise Malformed("a key that is no plain value", field=field)
            if len(set(keys)) != len(keys):
                raise Malformed("a key stands twice", field=field)
            if any(tag == "tag:yaml.org,2002:merge" for tag, _ in keys):
                raise Malformed("a merge key", field=field, remedy="write the members out")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _unreadable(field: str) -> Malformed:
    return Malformed("not one YAML mapping that can be read", field=field)
