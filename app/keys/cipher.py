"""AES-256-GCM; `cryptography` is loaded by who seals or opens first: it takes 10 MiB, and many servers do neither."""


def encrypted(key: bytes, nonce: bytes, text: bytes, bound: bytes) -> bytes:
    """Give the ciphertext with its tag, which also holds for what it is bound to; a nonce is used once for a key."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

    return AESGCM(key).encrypt(nonce, text, bound)


def decrypted(key: bytes, nonce: bytes, ciphertext: bytes, bound: bytes) -> bytes:
    """Give the text; raises ValueError where a bit of anything is another one."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

    try:
        return AESGCM(key).decrypt(nonce, ciphertext, bound)
    except InvalidTag:
        msg = "this was sealed otherwise"
        raise ValueError(msg) from None
