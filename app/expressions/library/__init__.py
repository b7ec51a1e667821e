"""The functions of the language: each once, with its signatures, its Python half, its SQL half, and its sentence."""
