"""Who is calling: identities, access tokens, passwords and sessions."""
