# SPDX-License-Identifier: MPL-2.0
"""A small VNC viewer for tests and benchmarks: RFC 6143, raw pixels as the server has them (32 bits, x8r8g8b8)."""
import socket
import struct

RAW, ZRLE = 0, 16
NONE, PASSWORD, VENCRYPT = 1, 2, 19
X509_NONE, X509_PASSWORD = 260, 261


class Refused(Exception):
    """The server let nobody in; the text is its reason."""


class Viewer:
    """Connected: width, height and name are the screen's; pixels holds what was sent so far."""

    def __init__(self, where, password=None, tls=None, encoding=RAW, timeout_s=20):
        """@where: a path or (host, port). @password: a function from a challenge to the response.
        @tls: an ssl.SSLContext."""
        unix = isinstance(where, str)
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_s)
        try:
            self.socket.connect(where)
            assert self.take(12) == b'RFB 003.008\n'
            self.socket.sendall(b'RFB 003.008\n')
            self.choose_security(password, tls)
        except BaseException:
            self.socket.close()
            raise
        self.socket.sendall(b'\1')
        self.width, self.height = struct.unpack('>HH', self.take(4))
        self.format = self.take(16)
        self.name = self.take(struct.unpack('>I', self.take(4))[0]).decode()
        self.pixels = bytearray(self.width * self.height * 4)
        self.socket.sendall(struct.pack('>BxHi', 2, 1, encoding))

    def take(self, n):
        data = bytearray(n)
        self.take_into(memoryview(data))
        return bytes(data)

    def take_into(self, view):
        while view:
            n = self.socket.recv_into(view)
            if n == 0:
                raise ConnectionResetError('the server closed the connection')
            view = view[n:]

    def choose_security(self, password, tls):
        kinds = self.take(self.take(1)[0])
        self.security = list(kinds)
        wanted = VENCRYPT if tls else PASSWORD if password else NONE
        if wanted not in kinds:
            raise Refused(f'offered: {list(kinds)}')
        self.socket.sendall(bytes([wanted]))
        if tls:
            self.start_tls(X509_PASSWORD if password else X509_NONE, tls)
        if password:
            self.socket.sendall(password(self.take(16)))
        if struct.unpack('>I', self.take(4))[0] != 0:
            raise Refused(self.take(struct.unpack('>I', self.take(4))[0]).decode())

    def start_tls(self, wanted, tls):
        assert self.take(2) == b'\0\2'
        self.socket.sendall(b'\0\2')
        assert self.take(1) == b'\0'
        kinds = struct.unpack(f'>{(n := self.take(1)[0])}I', self.take(4 * n))
        if wanted not in kinds:
            raise Refused(f'offered: {kinds}')
        self.socket.sendall(struct.pack('>I', wanted))
        assert self.take(1) == b'\1'
        self.socket = tls.wrap_socket(self.socket, server_hostname='localhost' if tls.check_hostname else None)

    def request(self, incremental=True):
        self.socket.sendall(struct.pack('>BBHHHH', 3, incremental, 0, 0, self.width, self.height))

    def update(self):
        """Waits for one update; returns its rectangles. Raw pixels go to their place, others are thrown away."""
        kind, n = struct.unpack('>BxH', self.take(4))
        assert kind == 0, f'message {kind}'
        rectangles = []
        for _ in range(n):
            x, y, width, height, encoding = struct.unpack('>HHHHi', self.take(12))
            rectangles.append((x, y, width, height))
            if encoding == RAW:
                self.take_pixels(x, y, width, height)
            else:
                assert encoding == ZRLE, f'encoding {encoding}'
                self.take(struct.unpack('>I', self.take(4))[0])
        return rectangles

    def take_pixels(self, x, y, width, height):
        view, stride = memoryview(self.pixels), self.width * 4
        if width == self.width:
            self.take_into(view[y * stride:(y + height) * stride])
            return
        data = memoryview(bytearray(width * height * 4))
        self.take_into(data)
        for row in range(height):
            at = (y + row) * stride + x * 4
            view[at:at + width * 4] = data[row * width * 4:(row + 1) * width * 4]

    def key(self, down, keysym):
        self.socket.sendall(struct.pack('>BBxxI', 4, down, keysym))

    def pointer(self, buttons, x, y):
        self.socket.sendall(struct.pack('>BBHH', 5, buttons, x, y))

    def close(self):
        self.socket.close()
