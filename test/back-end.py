"""A back end that knows who is logged in: it makes tokens, and serves a page with the client in it."""

import base64
import hashlib
import hmac
import http.server
import json
import sys
import time
import urllib.parse

SECRET = sys.argv[1].encode()
PAGE = sys.argv[2]


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(user: str, seconds: float) -> str:
    claims = {"sub": user, "aud": "chat", "exp": time.time() + seconds, "info": {"name": user.title()}}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    said = ".".join(base64url(part) for part in parts)
    return f"{said}.{base64url(hmac.new(SECRET, said.encode(), hashlib.sha256).digest())}"


class Handler(http.server.BaseHTTPRequestHandler):
    is_down = False

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/":
            self.answer(200, open(PAGE, encoding="utf-8").read(), "text/html; charset=utf-8")
        elif url.path == "/token" and not Handler.is_down:
            self.answer(200, token(query["user"], float(query["seconds"])))
        elif url.path == "/down":
            Handler.is_down = True
            self.answer(200, "down")
        else:
            self.answer(503, "down")

    def answer(self, status: int, text: str, kind: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
