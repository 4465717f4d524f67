"""Two hundred of the fuzzer's requests, always the same; ``make fuzz`` sends ten thousand."""

from assistants_server.server import Server
from tests.fuzz.run import fuzz

REQUESTS = 200


def test_no_request_of_the_fuzzer_finds_a_fault(server: Server):
    fuzzer = fuzz(server.base_url, server.token, REQUESTS, number=1)
    assert fuzzer.sent > REQUESTS * 0.9
    assert fuzzer.faults == {}
