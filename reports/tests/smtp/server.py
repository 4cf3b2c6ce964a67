"""A mail server for the tests: aiosmtpd, which nobody here wrote, told over standard input how to behave.

The first line of standard input is the configuration, every other one a command; both are JSON. Events are JSON lines on
standard output. Mails are read with Python's own email package, so that what was sent is judged by another reader.
"""

import asyncio
import email
import email.policy
import hashlib
import json
import logging
import ssl
import sys
import threading

from aiosmtpd.smtp import SMTP, AuthResult


def tell(event, **what):
    sys.stdout.write(json.dumps({"event": event, **what}) + "\n")
    sys.stdout.flush()


def protected(server):
    return server.transport.get_extra_info("ssl_object") is not None


class Post:
    """What the server does with mails, and the answers that it was told to give."""

    def __init__(self, config):
        self.user = config.get("user")
        self.password = config.get("password")
        # Answers to RCPT, by recipient, in turn; then 250.
        self.answers = {}
        # What happens at DATA, in turn; then the mail is taken.
        self.acts = []
        self.go = asyncio.Event()

    def command(self, command):
        match command["do"]:
            case "answer":
                self.answers.setdefault(command["rcpt"], []).extend(command["replies"])
            case "act":
                self.acts.extend(command["acts"])
            case "go":
                self.go.set()
            case "ping":
                # Whatever happened before is told before.
                tell("pong")

    def act(self):
        return self.acts.pop(0) if self.acts else "take"

    def authenticate(self, server, session, envelope, mechanism, data):
        right = (
            mechanism in ("LOGIN", "PLAIN")
            and data.login.decode() == self.user
            and data.password.decode() == self.password
        )
        tell("login", right=right, tls=protected(server))
        return AuthResult(success=right, handled=right)

    async def handle_RCPT(self, server, session, envelope, address, options):
        replies = self.answers.get(address) or self.answers.get("*")
        reply = replies.pop(0) if replies else "250 OK"
        tell("rcpt", address=address, reply=reply)
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):
        act = server.act
        if act[0] in "45":
            return act
        self.take(server, session, envelope)
        if act == "hold":
            await self.go.wait()
            self.go.clear()
        if act == "vanish":
            server.transport.abort()
        if act == "long":
            return "250 " + "queued " * 80
        return "250 queued"

    def take(self, server, session, envelope):
        raw = envelope.content
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        attachments = [
            {
                "name": part.get_filename(),
                "type": part.get_content_type(),
                "encoding": part["Content-Transfer-Encoding"],
                "hex": part.get_content().hex(),
            }
            for part in mail.iter_attachments()
        ]
        tell(
            "mail",
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            tls=protected(server),
            authenticated=session.authenticated,
            headers=[[name, str(value)] for name, value in mail.items()],
            subject=str(mail["Subject"]),
            message_id=str(mail["Message-ID"]),
            text=mail.get_body(("plain",)).get_content(),
            attachments=attachments,
            sha256=hashlib.sha256(raw).hexdigest(),
        )


class Server(SMTP):
    """aiosmtpd's protocol, which can also fall silent before it asks for the message."""

    act = "take"

    async def smtp_DATA(self, arg):
        self.act = self.event_handler.act()
        if self.act == "mute":
            tell("mute")
            await asyncio.Event().wait()
        if self.act == "leave":
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


async def main():
    # Tests break connections on purpose; what aiosmtpd says about that is of no use in their output.
    logging.getLogger("mail.log").disabled = True
    config = json.loads(sys.stdin.readline())
    post = Post(config)
    context = None
    if config["security"] != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(config["certificate"], config["key"])
    starttls = config["security"] == "starttls"
    loop = asyncio.get_running_loop()

    def protocol():
        return Server(
            post,
            hostname="mail.test",
            enable_SMTPUTF8=False,
            timeout=600,
            tls_context=context if starttls else None,
            require_starttls=starttls,
            authenticator=post.authenticate,
            auth_required=post.user is not None,
            auth_require_tls=config["security"] != "tls",
            loop=loop,
        )

    server = await loop.create_server(
        protocol, "127.0.0.1", 0, ssl=context if config["security"] == "tls" else None
    )
    tell("listening", port=server.sockets[0].getsockname()[1])

    def commands():
        for line in sys.stdin:
            loop.call_soon_threadsafe(post.command, json.loads(line))
        loop.call_soon_threadsafe(loop.stop)

    threading.Thread(target=commands, daemon=True).start()
    await server.serve_forever()


try:
    asyncio.run(main())
except RuntimeError:
    # The loop was stopped: standard input ended, and so did the test.
    pass
