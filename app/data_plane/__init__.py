"""The request: accept, authenticate, authorize, bind, chain, execute, respond."""
