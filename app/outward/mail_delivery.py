"""Sends the mail that waits: after its commit, on whichever instance takes it first; without a server into the log."""

import asyncio
import logging

from app.database.pool import Pool
from app.outward.emptying import AT_ONCE, Emptying, until_next_try
from app.outward.mail_box import ClaimedMail, claim_mail, mail_failed, mail_refused, mail_sent, message_of
from app.outward.smtp import MailNotSent, MailRefused, SmtpServer
from app.secrets.sealing import SealingKey, SecretUnreadable

_LONGEST_WAIT = 900.0
_log = logging.getLogger("rowgate.mail")


class MailDelivery(Emptying):
    """The background task that sends mail; `server` None is development's, which shows it instead."""

    what = "the mailbox"

    def __init__(self, pool: Pool, key: SealingKey, server: SmtpServer | None) -> None:
        """Start nothing yet."""
        super().__init__(_log)
        self._pool = pool
        self._key = key
        self._server = server

    async def deliver_due(self) -> int:
        """Send what is due, some at once; no connection is held meanwhile."""
        async with self._pool.lease() as connection:
            found = await claim_mail(connection, AT_ONCE)
        await asyncio.gather(*(self._deliver(one) for one in found))
        return len(found)

    async def _deliver(self, claimed: ClaimedMail) -> None:
        try:
            await self._send(claimed)
        except (MailRefused, SecretUnreadable) as error:
            _log.warning("mail %s was given up: %s", claimed.id, error.detail)
            async with self._pool.lease() as connection:
                await mail_refused(connection, claimed, error.detail)
        except MailNotSent as error:
            _log.warning("mail %s wasn't sent, attempt %d: %s", claimed.id, claimed.attempts, error.detail)
            async with self._pool.lease() as connection:
                await mail_failed(connection, claimed, error.detail, until_next_try(claimed.attempts, _LONGEST_WAIT))
        else:
            async with self._pool.lease() as connection:
                await mail_sent(connection, claimed, keep=self._server is None)

    async def _send(self, claimed: ClaimedMail) -> None:
        mail = claimed.opened(self._key)
        if self._server is None:
            _log.info("to %s: %s\n%s", mail.recipient, mail.subject, mail.text)
            return
        try:
            message = message_of(claimed, mail)
        except ValueError:
            raise MailRefused("it holds what no mail can") from None
        await self._server.send(message)
