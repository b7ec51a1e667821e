"""Mail that waits for its commit: sealed, taken out by one sender, and wiped once it is sent or dead."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

from app.database.connection import Connection
from app.secrets.rotation import mail_name
from app.secrets.sealing import Sealed, SealingKey

LEASE_SECONDS = 90.0  # longer than a sending may take: a sender that died is replaced after it
_KEPT_DAYS = 1  # what is sent or dead, without its body

_ADD = """
INSERT INTO rowgate.mail (id, kind, recipient, key_id, nonce, ciphertext, expires_at, dead_at)
VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7), CASE WHEN $3::text IS NULL THEN now() END)
"""
_CLEAR = """
DELETE FROM rowgate.mail WHERE id IN (SELECT id FROM rowgate.mail WHERE coalesce(sent_at, dead_at) IS NOT NULL
    AND created_at < now() - make_interval(days => $1) LIMIT 20 FOR UPDATE SKIP LOCKED)
"""
_WIPED = "recipient = NULL, key_id = NULL, nonce = NULL, ciphertext = NULL"
_OVER = f"""
UPDATE rowgate.mail SET dead_at = now(), {_WIPED} WHERE id IN (SELECT id FROM rowgate.mail
    WHERE sent_at IS NULL AND dead_at IS NULL AND next_at <= now() AND expires_at <= now()
    LIMIT 100 FOR UPDATE SKIP LOCKED)
"""
_CLAIM = """
UPDATE rowgate.mail SET attempts = attempts + 1, next_at = now() + make_interval(secs => $1)
WHERE id IN (SELECT id FROM rowgate.mail
    WHERE sent_at IS NULL AND dead_at IS NULL AND next_at <= now() AND expires_at > now()
    ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id, kind, created_at, attempts, key_id, nonce, ciphertext
"""
_SENT = f"UPDATE rowgate.mail SET sent_at = now(), last_error = NULL, {_WIPED} WHERE id = $1 AND attempts = $2"
_SHOWN = "UPDATE rowgate.mail SET sent_at = now() WHERE id = $1 AND attempts = $2"
_FAILED = """
UPDATE rowgate.mail SET last_error = $4, next_at = LEAST(now() + make_interval(secs => $3), expires_at)
WHERE id = $1 AND attempts = $2
"""
_REFUSED = f"""
UPDATE rowgate.mail SET last_error = $3, dead_at = now(), {_WIPED} WHERE id = $1 AND attempts = $2
"""
_READ = """
SELECT id, kind, created_at, attempts, key_id, nonce, ciphertext FROM rowgate.mail
WHERE ciphertext IS NOT NULL AND (sent_at IS NOT NULL OR dead_at IS NULL) ORDER BY created_at DESC LIMIT 100
"""


@dataclass(frozen=True, slots=True)
class Mail:
    """What is sealed: who sends it to whom, and its subject, text and HTML."""

    sender: str
    recipient: str
    subject: str
    text: str = field(repr=False)
    html: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """A mail that this process is to send now; nobody else has it until the lease ends."""

    id: str
    kind: str
    created_at: datetime
    attempts: int
    sealed: Sealed

    def opened(self, key: SealingKey) -> Mail:
        """Open it; raises SecretUnreadable."""
        return Mail(**json.loads(key.open(self.sealed, mail_name(self.id))))


def message_of(claimed: ClaimedMail, mail: Mail) -> EmailMessage:
    """Write the message; its id and its date are the same at every attempt, so that a second copy is known for one."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = mail.sender, mail.recipient, mail.subject
    message["Date"] = claimed.created_at
    domain = mail.sender.rpartition("@")[2].rstrip("> ") or "localhost"
    message["Message-ID"] = f"<{claimed.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html")
    return message


async def add_mail(
    connection: Connection, key: SealingKey, kind: str, mail: Mail, lifetime: float, *, to_nobody: bool
) -> None:
    """Keep a mail until the transaction has committed, and no longer than `lifetime` seconds.

    One that goes to nobody is as much work, is dead at once, and holds nothing.
    """
    mail_id = str(uuid.uuid4())
    said = {name: getattr(mail, name) for name in ("sender", "recipient", "subject", "text", "html")}
    sealed = key.seal(json.dumps(said).encode(), mail_name(mail_id))
    kept = (None,) * 4 if to_nobody else (mail.recipient, sealed.key_id, sealed.nonce, sealed.ciphertext)
    await connection.execute(_CLEAR, _KEPT_DAYS)
    await connection.execute(_ADD, mail_id, kind, *kept, lifetime)


async def claim_mail(connection: Connection, most: int, lease: float = LEASE_SECONDS) -> list[ClaimedMail]:
    """Take mail that is due, each for one sender only; what its link has outlived is dead from here on."""
    await connection.execute(_OVER)
    return [_claimed(row) for row in await connection.fetch(_CLAIM, lease, most)]


async def readable_mail(connection: Connection) -> list[ClaimedMail]:
    """Give mail whose body is still there, the newest first."""
    return [_claimed(row) for row in await connection.fetch(_READ)]


def _claimed(row: object) -> ClaimedMail:
    said = dict(row)  # type: ignore[call-overload]  # a record of asyncpg, which has no types
    return ClaimedMail(said["id"], said["kind"], said["created_at"], said["attempts"], Sealed.of(said))


async def mail_sent(connection: Connection, claimed: ClaimedMail, *, keep: bool) -> None:
    """Note that a mail was taken, and wipe it; `keep` leaves it for who reads it here."""
    await connection.execute(_SHOWN if keep else _SENT, claimed.id, claimed.attempts)


async def mail_failed(connection: Connection, claimed: ClaimedMail, error: str, wait: float) -> None:
    """Try again after so many seconds."""
    await connection.execute(_FAILED, claimed.id, claimed.attempts, wait, error)


async def mail_refused(connection: Connection, claimed: ClaimedMail, error: str) -> None:
    """Give up a mail that its server takes from nobody."""
    await connection.execute(_REFUSED, claimed.id, claimed.attempts, error)
