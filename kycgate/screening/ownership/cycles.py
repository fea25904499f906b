"""Groups of nodes that lead back to each other, each group after everything it leads to.

Knows nothing of ownership. Without recursion, so that long chains are no danger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator


def components(
    nodes: Iterable[str], successors: Callable[[str], Iterable[str]]
) -> Iterator[tuple[str, ...]]:
    """The strongly connected components (Tarjan 1972), successors before predecessors."""
    order, low = dict[str, int](), dict[str, int]()
    stack, stacked = list[str](), set[str]()
    for root in nodes:
        if root in order:
            continue
        work = [(root, iter(successors(root)))]
        order[root] = low[root] = len(order)
        stack.append(root)
        stacked.add(root)
        while work:
            node, rest = work[-1]
            for following in rest:
                if following not in order:
                    order[following] = low[following] = len(order)
                    stack.append(following)
                    stacked.add(following)
                    work.append((following, iter(successors(following))))
                    break
                if following in stacked:
                    low[node] = min(low[node], order[following])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    group = [stack.pop()]
                    while group[-1] != node:
                        group.append(stack.pop())
                    stacked.difference_update(group)
                    yield tuple(group)
