"""The head and the body of an answer are one write."""

from microcosm_pubsub.server.one_write import OneWrite


class Loop:
    def __init__(self):
        self.later = []

    def call_soon(self, function):
        self.later.append(function)

    def turn(self):
        later, self.later = self.later, []
        for function in later:
            function()


class Transport:
    def __init__(self):
        self.written = []
        self.is_closed = False

    def write(self, data):
        assert not self.is_closed
        self.written.append(data)

    def is_closing(self):
        return self.is_closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def get_extra_info(self, name):
        return f"the {name}"

    def close(self):
        self.is_closed = True


def test_what_is_written_in_one_turn_is_one_write():
    loop, transport = Loop(), Transport()
    one = OneWrite(transport, loop)
    one.write(b"head ")
    one.write(b"body")
    assert transport.written == []
    loop.turn()
    assert transport.written == [b"head body"]
    one.write(b"next")
    loop.turn()
    loop.turn()
    assert transport.written == [b"head body", b"next"]


def test_a_close_writes_what_is_left():
    loop, transport = Loop(), Transport()
    one = OneWrite(transport, loop)
    one.write(b"refused")
    one.close()
    assert transport.written == [b"refused"]
    assert one.is_closing()
    loop.turn()
    assert transport.written == [b"refused"]


def test_what_it_does_not_do_itself_the_transport_does():
    assert OneWrite(Transport(), Loop()).get_extra_info("socket") == "the socket"
