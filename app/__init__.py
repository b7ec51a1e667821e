"""Rowgate: a backend as a service that is described as data, checked like a compiler and served as a REST API."""
