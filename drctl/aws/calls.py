"""What is known of a call from its name alone: whether it changes AWS, and how a person would type it."""

from __future__ import annotations

#: Operations that change no resource although their verb does not say so.
READS_BY_NAME = frozenset({"AssumeRole", "Decrypt", "Encrypt", "Invoke", "ReceiveMessage", "SelectObjectContent"})
#: Verbs of operations that put a whole value or ask for what may be so already: twice is the same as once.
WHOLE_VALUE_VERBS = ("Put", "Set", "Tag", "Untag")
READ_VERBS = ("BatchGet", "Check", "Describe", "Get", "Head", "List", "Lookup", "Query", "Scan", "Search", "Simulate",
              "Test", "Validate")


def is_mutating(operation: str) -> bool:
    """Whether the operation can change AWS; an unknown verb counts as a change."""
    return not (operation in READS_BY_NAME or operation.startswith(READ_VERBS))


def is_whole_value(operation: str) -> bool:
    """Whether a second, equal call leaves AWS as the first did, and is answered alike."""
    return operation.startswith(WHOLE_VALUE_VERBS)
