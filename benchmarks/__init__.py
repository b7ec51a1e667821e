"""Measures Rowgate beside servers written by hand and the raw ceiling."""
