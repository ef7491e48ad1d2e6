"""A client that speaks HTTP/2 to the proxy, over wire.Client's TLS; frames by python3-h2, a strict peer."""

import select
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions


class Stream:
    """One request: what was answered, what came, and how it ended."""

    def __init__(self, session, id):
        self.session, self.id = session, id
        self.heads = []  # of lists of pairs: interim ones, then the final one
        self.trailers = None
        self.data = bytearray()
        self.has_end = False
        self.has_said_end = False
        self.reset = None  # the error code
        self.gives_credit = True  # False: the proxy may send no more than the first window
        self.uncredited = 0  # bytes of DATA that came meanwhile

    @property
    def fields(self):
        return dict(self.heads[-1])

    @property
    def status(self):
        self.session.wait(lambda: self.reset is not None or any(s >= 200 for s in self._statuses()))
        return self._statuses()[-1] if self.heads else None

    def _statuses(self):
        return [int(dict(head)[":status"]) for head in self.heads]

    def send(self, data, end=False):
        """Sends as the windows allow."""
        while data:
            room = lambda: min(
                self.session.h2.local_flow_control_window(self.id),
                self.session.h2.max_outbound_frame_size,
            )
            self.session.wait(lambda: self.reset is not None or room() > 0)
            self.check_alive()
            piece, data = data[: room()], data[room() :]
            self.session.h2.send_data(self.id, piece)
            self.session.flush()
        if end:
            self.check_alive()
            self.has_said_end = True
            self.session.h2.end_stream(self.id)
            self.session.flush()

    def check_alive(self):
        if self.reset is not None or self.session.ended:
            raise ConnectionResetError(f"stream {self.id} was reset: {self.reset}")

    def read(self, size):
        """The next `size` bytes."""
        self.session.wait(lambda: len(self.data) >= size or self.has_end or self.reset is not None)
        data, self.data = bytes(self.data[:size]), self.data[size:]
        return data

    def read_to_end(self):
        self.session.wait(lambda: self.has_end or self.reset is not None)
        data, self.data = bytes(self.data), bytearray()
        return data, "end" if self.has_end else self.reset

    def cancel(self, code=8):
        self.session.h2.reset_stream(self.id, code)
        self.session.flush()

    def give_credit(self):
        """Also for what has come."""
        self.gives_credit = True
        if self.uncredited and not self.has_end and self.reset is None:
            self.session.h2.increment_flow_control_window(self.uncredited, self.id)
            self.session.flush()
        self.uncredited = 0


class Http2:
    """One connection. `client` is a wire.Client whose handshake offered h2."""

    def __init__(self, client):
        assert client.tls.selected_alpn_protocol() == "h2"
        self.client = client
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True, header_encoding="utf-8", validate_outbound_headers=False
            )
        )
        self.streams = {}
        self.goaway = None  # the error code
        self.goaways = []  # the last stream of each
        self.ended = False
        self.pongs = 0
        self.begin()
        self.flush()

    def begin(self):
        self.h2.initiate_connection()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.client.send(data)

    def wait(self, is_so):
        while not is_so() and not self.ended:
            self._read()

    def _read(self):
        data = self.client.read()
        self.ended = not data
        for event in self.h2.receive_data(data):
            self._take(event)
        if data:
            self.flush()

    def wait_for(self, is_so, seconds):
        """As `wait`, but for so long only; tells whether it is so."""
        deadline = time.monotonic() + seconds
        while not is_so() and (left := deadline - time.monotonic()) > 0 and not self.ended:
            if select.select([self.client.sock], [], [], left)[0]:
                self._read()
        return is_so()

    def can_ask(self):
        """Whether it takes further requests, as far as the proxy has said by now."""
        try:
            while not self.ended and select.select([self.client.sock], [], [], 0)[0]:
                self._read()
        except ConnectionError:  # it cannot acknowledge any more
            self.ended = True
        return not self.ended and self.goaway is None

    def _take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.PingAckReceived):
            self.pongs += 1
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.error_code
            self.goaways.append(event.last_stream_id)
            if event.error_code == 0:  # the library takes it for the end of all streams
                self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        if stream is None:
            return
        if isinstance(event, (h2.events.ResponseReceived, h2.events.InformationalResponseReceived)):
            stream.heads.append(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = event.headers
        elif isinstance(event, h2.events.DataReceived):
            stream.data += event.data
            if stream.gives_credit:
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream.id)
            else:
                self.h2.increment_flow_control_window(event.flow_controlled_length)
                stream.uncredited += event.flow_controlled_length
        elif isinstance(event, h2.events.StreamEnded):
            stream.has_end = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = int(event.error_code)

    def request(self, fields, end=True):
        stream = Stream(self, self.h2.get_next_available_stream_id())
        stream.has_said_end = end
        self.streams[stream.id] = stream
        self.h2.send_headers(stream.id, fields, end_stream=end)
        self.flush()
        return stream

    def connect(self, target):
        return self.request([(":method", "CONNECT"), (":authority", target)], end=False)

    def tunnel(self, target):
        stream = self.connect(target)
        assert stream.status == 200, (stream.heads, stream.reset, self.goaway, self.client.ending)
        return stream

    def get(self, authority, path="/", method="GET", fields=(), end=True):
        head = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)]
        return self.request(head + list(fields), end=end)
