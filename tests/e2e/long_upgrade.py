"""The program is changed twenty times while clients come without a pause.

Not part of CI for its time: `tools/test --long` runs it. test_upgrade.py is the small one. It prints how many came a second,
and the longest pause of an echo, which depend on the machine.
"""

import os
import time

from support.config import client, reach
from support.knock import Knocker
from support.scale import PATIENCE
from support.upgrades import start_upgradable

TIMES = int(os.environ.get("SALLYPORT_LONG_TIMES", "20"))
COMERS = int(os.environ.get("SALLYPORT_LONG_COMERS", "8"))  # processes; one serves some hundred clients a second
BETWEEN_S = 0.5


def test_nobody_is_refused_while_the_program_is_changed_twenty_times(start, dns, origin, tmp_path, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    rule = reach("origin.test", server.port)
    target = f"origin.test:{server.port}"
    guests = client(rule, name="guests", match=[{"cn": "guest"}])
    made = start_upgradable(start, tmp_path, guests, client(rule))
    knockers = [Knocker(made.proxy, pki.worker, target, 0)]
    try:
        guest = made.proxy.tunnel(target, pki.ca.leaf("guest"))  # in the oldest process until the end
        knockers += [Knocker(made.proxy, pki.worker, target, 2) for _ in range(COMERS)]
        begun = time.monotonic()
        for turn in range(TIMES):
            made.upgrade()
            for old in made.old[1:]:
                assert old.wait(PATIENCE) == 0
            guest.echo(b"turn %d" % turn)
            time.sleep(BETWEEN_S)  # so that many come to each process; nothing waits for this
        took_s = time.monotonic() - begun
        made.control.block("guests")
        made.proxy.assert_closed(guest.id, "blocked")
        stayed, *came = [knocker.stop(PATIENCE) for knocker in knockers]
    finally:
        for knocker in knockers:
            knocker.kill()
    failures = [failure for each in [stayed, *came] for failure in each["failures"]]
    assert not failures, failures[:3]
    served = sum(each["served"] for each in came)
    print(
        f"{TIMES} upgrades in {took_s:.1f} s: {served} connections, {served / took_s:.0f} a second,"
        f" {sum(each['resumed'] for each in came)} resumed; {stayed['echoes']} echoes through the first process,"
        f" the longest pause {stayed['longest_ms']:.1f} ms"
    )
    assert sum(each["resumed"] for each in came) > 0
    made.wait_old_ended()
    made.proxy.stop()
    decided = made.proxy.audit.records("decision")
    assert len(decided) >= served + 2
