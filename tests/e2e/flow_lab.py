# SPDX-License-Identifier: BSD-2-Clause
"""flow_lab.py - labs for the flow cache: hosts that can take what it repeats, behind which are
addresses that do not answer, so that nothing but a test's frames is on its way."""
import frames
from bridge_lab import LOCAL_EXPERIMENT, BridgeLab
from lib import Lab, wait_for
from stream import Stream, datagram, gro_on

HERE, THERE = "10.1.0.1", "10.2.0.1" # behind hosts a and b
TO_B = "routes:\n  - {to: 10.2.0.0/16, via: 192.168.0.2}\n"
ROUTES = "routes:\n" \
         "  - {to: 10.1.0.0/16, via: 192.168.1.2}\n" \
         "  - {to: 10.2.0.0/16, via: 192.168.0.2}\n" \
         "  - {to: 10.3.0.0/16, via: 192.168.2.2}\n"


class RoutedLab(Lab):
    """Hosts a, b and c, whose addresses are known to the router, and which can take XDP frames."""

    def start(self, extra=""):
        gro_on(self)
        tsuji = self.start_tsuji(self.router_file(ROUTES + extra))
        self.taps()
        for address in ("192.168.0.2", "192.168.2.2"):
            self.must("a", f"ping -c 1 -W 2 {address}")
        return tsuji

    def stream(self, **fields):
        return Stream(self, "a", [datagram(self.a, HERE, THERE, **fields)])

    def reload(self, extra="", ports=None):
        self.tsuji.file.write_text(self.router_file(ROUTES + extra, ports))
        self.tsuji.must("reload")


STATION = frames.mac("02:00:00:00:66:01")


class FdbLab(BridgeLab):
    def stream(self):
        frame = datagram(self.a, "192.0.2.1", "192.0.2.9", dst_mac=STATION)
        return Stream(self, "a", [frame])

    def speak(self, host):
        """The station is behind that host, and the router has heard of it."""
        self.hosts[host].tap.send(frames.eth(frames.BROADCAST, STATION, LOCAL_EXPERIMENT,
                                             bytes(46)))
        wait_for(lambda: self.tsuji.show("fdb", "mac").get(STATION.hex(":"), {}).get("port")
                 == self.hosts[host].port, what=f"the station at {host}")
