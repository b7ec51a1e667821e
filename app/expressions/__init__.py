"""The rule language: CEL text, parsed, checked against types, and compiled to closures."""
