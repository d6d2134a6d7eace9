"""A mail server by others (aiosmtpd): tells of each message on a line of JSON, as Python's `email` reads it.

later@…: refused for now, the first time.   never@…: refused for good.
With a certificate it wants STARTTLS, and the user `forebay` with the password `the-sender's-secret`.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

seen = set()


def tell(what):
    print(json.dumps(what), flush=True)


def part(message, kind):
    found = message.get_body(preferencelist=(kind,))
    return found.get_content() if found else None


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never"):
            return "550 5.1.1 there is nobody by this name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.SMTP)
        to = envelope.rcpt_tos[0]
        first = to.startswith("later") and to not in seen
        seen.add(to)
        tell(
            {
                "to": to,
                "from": envelope.mail_from,
                "taken": not first,
                "subject": message["subject"],
                "headers": [[name.lower(), value] for name, value in message.items()],
                "text": part(message, "plain"),
                "html": part(message, "html"),
                "tls": session.ssl is not None,
                "user": session.auth_data,
            }
        )
        return "451 4.3.0 later" if first else "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    user, password = data.login.decode(), data.password.decode()
    good = (user, password) == ("forebay", "the-sender's-secret")
    return AuthResult(success=good, auth_data=user if good else None)


async def main():
    options = {"enable_SMTPUTF8": True}
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        options.update(tls_context=context, require_starttls=True, auth_required=True)
        options.update(authenticator=authenticate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), **options), "127.0.0.1", 0)
    tell({"port": server.sockets[0].getsockname()[1]})
    # It ends with whoever has started it.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
