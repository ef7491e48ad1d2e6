"""Ten thousand tunnels over ten connections, all revoked within a second.

Not part of CI for its time: `tools/test --long` runs it. test_http2_operation.py has the small one.
"""

from support.many_streams import play


def test_ten_thousand_tunnels_over_ten_connections_end_within_a_second(start, pki, dns):
    taken = play(start, pki, dns, 10, 1024, patience=60.0)
    print(taken)
    assert taken["gone"] < 1.0
