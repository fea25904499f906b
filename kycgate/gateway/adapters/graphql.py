"""GraphQL over HTTP: a request read as the server that executes it reads it, or not at all.

Knows no schema and no marketplace, so it repairs, coerces and validates nothing: what servers are
known to read in more than one way is refused, and what a schema would refuse does no harm there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NoReturn, TypeVar

from graphql import GraphQLError
from graphql.language import (
    BooleanValueNode,
    DirectiveNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    Lexer,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Source,
    StringValueNode,
    TokenKind,
    ValueNode,
    VariableNode,
    parse,
)

from kycgate.errors import Malformed
from kycgate.gateway.adapters.base import decode_object, only

MAX_DOCUMENT = 32 * 1024
"""Characters: the document is read before its sender is proven."""
MAX_TOKENS = 1024
MAX_DEPTH = 32
"""Open brackets of any kind, and fragments within fragments."""
MAX_SELECTIONS = 512
"""Fields and fragments, each as often as it is used: a few lines of fragments can mean millions."""
MAX_ALIASES = 16
MAX_DIGITS = 20

_MEMBERS = frozenset({"query", "variables", "operationName"})
# Between two tokens: a letter some readers take for a line end or a space, and a comment that ends
# where only some readers end it, would give the document two meanings.
_STRANGE = re.compile(r"[^\t\n\r\x20-\x7e]|#[^\r\n]*\r(?!\n)")
_OPEN = frozenset({TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L})
_CLOSE = frozenset({TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R})
_T = TypeVar("_T")
_ROOTS = {"query": "Query", "mutation": "Mutation"}


@dataclass(frozen=True, slots=True)
class Symbol:
    """An enum value written into the document: never the same as a text of that spelling."""

    name: str


@dataclass(frozen=True, slots=True)
class Selected:
    """One field the server resolves. `key` is the member of the answer it stands under."""

    name: str
    key: str
    arguments: Mapping[str, Any]
    """JSON values, `Symbol` and Decimal; what has no value is not there."""
    fields: tuple[Selected, ...]
    """Fragments in their places; a field selected twice is there twice."""


@dataclass(frozen=True, slots=True)
class Operation:
    """The one operation of a request that is executed."""

    kind: Literal["query", "mutation"]
    fields: tuple[Selected, ...]


def read(body: bytes) -> Operation:
    """What a server executes for this request body. Raises Malformed naming what is in the way.

    Refused: several requests in one body, persisted queries, duplicate names of any sort,
    directives, block strings, subscriptions, several operations without a name chosen.
    """
    members = decode_object(body)
    only(members, _MEMBERS)
    document, variables = members.get("query"), members.get("variables")
    if not isinstance(document, str):
        _refuse("query", "query must be the text of a GraphQL document.")
    if variables is not None and not isinstance(variables, dict):
        _refuse("variables", "variables must be an object.")
    definitions = _parsed(document)
    chosen = _chosen(definitions, members.get("operationName"))
    return _Reader(chosen, definitions, variables or {}).operation()


def _refuse(field: str, message: str, remedy: str = "") -> NoReturn:
    raise Malformed(message, field=field, remedy=remedy)


# -- the document ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Definitions:
    operations: tuple[OperationDefinitionNode, ...]
    fragments: Mapping[str, FragmentDefinitionNode]


def _parsed(document: str) -> _Definitions:
    if len(document) > MAX_DOCUMENT:
        _refuse("query", f"The document is longer than {MAX_DOCUMENT} characters.")
    try:
        document.encode("utf-8")
        _check_tokens(document)
        tree = parse(document, no_location=True)
    except (GraphQLError, ValueError) as error:
        raise Malformed("The document is not GraphQL that can be read.", field="query") from error
    operations = tuple(d for d in tree.definitions if isinstance(d, OperationDefinitionNode))
    fragments = tuple(d for d in tree.definitions if isinstance(d, FragmentDefinitionNode))
    if len(operations) + len(fragments) != len(tree.definitions):
        _refuse("query", "The document defines something else than operations and fragments.")
    return _Definitions(operations, _by_name("fragment", [(f.name.value, f) for f in fragments]))


def _check_tokens(document: str) -> None:
    """Bounds the document before it is parsed: the parser calls itself for every bracket."""
    lexer = Lexer(Source(document))
    depth, end = 0, 0
    for _ in range(MAX_TOKENS):
        token = lexer.advance()
        if _STRANGE.search(document, end, token.start) is not None:
            _refuse("query", "The document holds letters or comments that can be read two ways.")
        if token.kind is TokenKind.EOF:
            return
        if token.kind is TokenKind.BLOCK_STRING:
            _refuse("query", "Block strings are not read here.", 'a plain string, with "\\n"')
        depth += (token.kind in _OPEN) - (token.kind in _CLOSE)
        if depth > MAX_DEPTH:
            _refuse("query", f"The document is nested deeper than {MAX_DEPTH} levels.")
        end = token.end
    _refuse("query", f"The document has more than {MAX_TOKENS} tokens.")


def _by_name(what: str, named: Sequence[tuple[str, _T]]) -> dict[str, _T]:
    found = dict(named)
    if len(found) != len(named):
        _refuse("query", f"Two parts of the document have one name: each {what} needs its own.")
    return found


def _chosen(definitions: _Definitions, name: Any) -> OperationDefinitionNode:
    operations = definitions.operations
    if name is None:
        if len(operations) != 1:
            _refuse("operationName", "Say which operation is meant, or send just one.")
        return operations[0]
    if not isinstance(name, str) or not name:
        _refuse("operationName", "operationName must be the name of an operation.")
    named = _by_name("operation", [("" if o.name is None else o.name.value, o) for o in operations])
    if "" in named and len(named) > 1:
        _refuse("query", "Beside another operation each needs a name.")
    if name not in named:
        _refuse("operationName", "The document has no operation of this name.")
    return named[name]


# -- the operation ---------------------------------------------------------------------------------


class _Reader:
    """Puts fragments and variables in their places."""

    def __init__(
        self,
        operation: OperationDefinitionNode,
        definitions: _Definitions,
        variables: Mapping[str, Any],
    ) -> None:
        self._operation = operation
        self._fragments = definitions.fragments
        self._selections = 0
        self._aliases = 0
        self._declared: dict[str, tuple[Any, ...]] = {}
        """Each declared variable's value, or () where it has none."""
        self._declared = self._values(variables)

    def operation(self) -> Operation:
        if self._operation.operation is OperationType.SUBSCRIPTION:
            _refuse("query", "Subscriptions are not passed on.")
        kind: Literal["query", "mutation"] = (
            "mutation" if self._operation.operation is OperationType.MUTATION else "query"
        )
        _no_directives(self._operation.directives)
        fields = self._selected(self._operation.selection_set, (), _ROOTS[kind])
        return Operation(kind, tuple(fields))

    def _values(self, given: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        found: list[tuple[str, tuple[Any, ...]]] = []
        for definition in self._operation.variable_definitions or ():
            _no_directives(definition.directives)
            name = definition.variable.name.value
            if name in given:
                # Also where it is null: a default stands in for what is missing only.
                found.append((name, (given[name],)))
            elif definition.default_value is not None:
                found.append((name, (self._value(definition.default_value),)))
            else:
                found.append((name, ()))
        return _by_name("variable", found)

    def _selected(
        self, selection: SelectionSetNode | None, within: tuple[str, ...], root: str | None
    ) -> list[Selected]:
        """`within`: the fragments around; `root`: the type's name where it is known."""
        found: list[Selected] = []
        for node in () if selection is None else selection.selections:
            # Counted here, not where a field is found: a fragment may hold none and be used often.
            self._selections += 1
            if self._selections > MAX_SELECTIONS:
                _refuse("query", f"The document selects more than {MAX_SELECTIONS} things.")
            _no_directives(node.directives)
            if isinstance(node, FieldNode):
                found.append(self._field(node, within))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                _check_root(root, None if condition is None else condition.name.value)
                found += self._selected(node.selection_set, within, root)
            elif isinstance(node, FragmentSpreadNode):
                found += self._spread(node.name.value, within, root)
            else:
                _refuse("query", "The document selects something that is no field or fragment.")
        return found

    def _spread(self, name: str, within: tuple[str, ...], root: str | None) -> list[Selected]:
        fragment = self._fragments.get(name)
        if fragment is None:
            _refuse("query", "The document uses a fragment it does not define.")
        if name in within or len(within) >= MAX_DEPTH:
            _refuse("query", "A fragment contains itself, or too many are in one another.")
        _no_directives(fragment.directives)
        if fragment.variable_definitions:
            _refuse("query", "Variables of a fragment are not read here.")
        _check_root(root, fragment.type_condition.name.value)
        return self._selected(fragment.selection_set, (*within, name), root)

    def _field(self, node: FieldNode, within: tuple[str, ...]) -> Selected:
        self._aliases += node.alias is not None
        if self._aliases > MAX_ALIASES:
            _refuse("query", f"The document has more than {MAX_ALIASES} aliases.")
        arguments = _by_name(
            "argument", [(a.name.value, self._given(a.value)) for a in node.arguments or ()]
        )
        return Selected(
            name=node.name.value,
            key=node.name.value if node.alias is None else node.alias.value,
            arguments={name: value[0] for name, value in arguments.items() if value},
            fields=tuple(self._selected(node.selection_set, within, None)),
        )

    # -- values ------------------------------------------------------------------------------------

    def _given(self, node: ValueNode) -> tuple[Any, ...]:
        """The value, or () for a variable that has none: then it is as if nothing were written."""
        if not isinstance(node, VariableNode):
            return (self._value(node),)
        name = node.name.value
        if name not in self._declared:
            _refuse("query", "The document uses a variable it does not declare.")
        return self._declared[name]

    def _value(self, node: ValueNode) -> Any:
        match node:
            case StringValueNode():
                return node.value
            case IntValueNode() if len(node.value) <= MAX_DIGITS:
                return int(node.value)
            case FloatValueNode():
                return Decimal(node.value)
            case BooleanValueNode():
                return node.value
            case NullValueNode():
                return None
            case EnumValueNode():
                return Symbol(node.value)
            case ListValueNode():
                # In a list a variable without a value is null, not absent.
                return [(self._given(item) or (None,))[0] for item in node.values]
            case ObjectValueNode():
                members = [(field.name.value, self._given(field.value)) for field in node.fields]
                return {k: v[0] for k, v in _by_name("member", members).items() if v}
        _refuse("query", "The document holds a value that can't be read.")


def _no_directives(directives: Sequence[DirectiveNode] | None) -> None:
    if directives:
        _refuse("query", "Directives are not read here.", "send just the fields that are wanted")


def _check_root(root: str | None, condition: str | None) -> None:
    if root is not None and condition not in (None, root):
        _refuse("query", f"A fragment of the operation itself must be on {root}.")


# -- the answer ------------------------------------------------------------------------------------


def answered(answer: bytes) -> dict[str, Any] | None:
    """The answer's data, by the keys of the fields asked for; None where there is none to read."""
    try:
        data = decode_object(answer, field="answer").get("data")
    except Malformed:
        return None
    return data if isinstance(data, dict) else None


def refusal(message: str, code: str) -> dict[str, Any]:
    """The body of a refused request, as clients expect an error before execution."""
    return {"errors": [{"message": message, "extensions": {"code": code}}], "data": None}
