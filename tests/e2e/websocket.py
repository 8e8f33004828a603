"""A WebSocket client (RFC 6455) on a plain or TLS socket, for tests: it also sends what no good client would."""
import base64
import hashlib
import json
import os
import socket
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SECONDS_MAX = 120


class Closed(Exception):
    """The other side has closed; args[0] is the code of its close frame (None: without one), or "lost" without a frame."""


def frame(payload, opcode=TEXT, final=True, masked=True, reserved=0, length=None):
    size = len(payload) if length is None else length
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    bit = 0x80 if masked else 0
    head += (bytes([bit | size]) if size < 126 else bytes([bit | 126]) + struct.pack(">H", size) if size < 1 << 16
             else bytes([bit | 127]) + struct.pack(">Q", size))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i & 3] for i, byte in enumerate(payload))


class WebSocket:
    """self.status and self.head: of the answer to the handshake."""

    def __init__(self, port, login=None, query="", headers=(), context=None, path="/api/v1/websocket", host="127.0.0.1", version=13):
        self.socket = socket.create_connection((host, port), timeout=SECONDS_MAX)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path}{'?' + query if query else ''} HTTP/1.1", "Host: localhost", "Upgrade: websocket",
                 "Connection: keep-alive, Upgrade", f"Sec-WebSocket-Version: {version}", f"Sec-WebSocket-Key: {key}", *headers]
        if login is not None:
            lines.append("Authorization: Basic " + base64.b64encode(login.encode()).decode())
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            line = self.file.readline()
            if not line:
                raise Closed("lost")
            self.head += line
        self.status = int(self.head.split()[1])
        if self.status == 101:
            digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            assert b"Sec-WebSocket-Accept: " + base64.b64encode(digest) in self.head, self.head

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.abort()

    def abort(self):
        self.file.close()
        self.socket.close()

    def send(self, message):
        self.socket.sendall(frame((message if isinstance(message, str) else json.dumps(message)).encode()))

    def send_frame(self, *arguments, **options):
        self.socket.sendall(frame(*arguments, **options))

    def frame(self):
        """The next frame: (opcode, payload)."""
        try:
            head = self.file.read(2)
        except ConnectionError:
            raise Closed("lost") from None
        if len(head) < 2:
            raise Closed("lost")
        assert head[0] & 0xf0 == 0x80 and not head[1] & 0x80, head
        size = head[1]
        if size == 126:
            size, = struct.unpack(">H", self.file.read(2))
        elif size == 127:
            size, = struct.unpack(">Q", self.file.read(8))
        payload = self.file.read(size)
        if len(payload) < size:
            raise Closed("lost")
        return head[0] & 15, payload

    def receive(self):
        """The next message, as JSON; pings are answered."""
        while True:
            opcode, payload = self.frame()
            if opcode == TEXT:
                return json.loads(payload)
            if opcode == PING:
                self.send_frame(payload, PONG)
            if opcode == CLOSE:
                raise Closed(struct.unpack(">H", payload[:2])[0] if payload else None, payload[2:].decode())

    def command(self, cmd, arg=None, identifier=1, **more):
        """Sends a command with an id and returns its acknowledgement; no other message may come before it."""
        message = {"cmd": cmd, "id": identifier, **({} if arg is None else {"arg": arg}), **more}
        self.send(message)
        answer = self.receive()
        assert answer.get("id") == identifier, answer
        return answer

    def quiet(self):
        """Whether nothing has come before an acknowledgement of a command that does nothing."""
        self.send({"cmd": "unsubscribe", "arg": "a/b/c", "id": "quiet"})
        return self.receive() == {"id": "quiet", "ok": True}
