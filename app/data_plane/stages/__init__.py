"""The stages of a request, a file each: accept, authenticate, authorize, bind, chain, execute, respond.

They meet only in the pipeline.
"""
