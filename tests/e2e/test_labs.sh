#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# `tsuji lab`: every topology passes its own checks; up and down leave exactly nothing;
# what is not the lab's is neither used nor removed.
#
#   a:eth0 10.77.0.1/24 ----- 10.77.0.2/24 b:eth0     a lab of hosts only, for the rest
top=$(cd "$(dirname "$0")/../.." && pwd)
tsuji=${TSUJI:-$top/build/tsuji}
lab=${TSUJI_E2E_PREFIX:-tsjt}-lab
work=$(mktemp -d)
failed=0

[ "$(id -u)" -eq 0 ] || { echo "needs root"; exit 77; }
for tool in ip ethtool ping traceroute curl dig dnsmasq nc python3 udhcpc tcpdump; do
	command -v $tool >/dev/null || { echo "$tool is not installed"; exit 77; }
done

fail() { echo "FAIL: $*"; failed=1; }
expect() { # STATUS COMMAND...: its output goes to $work/out
	local want=$1 got
	shift
	timeout 60 "$@" >"$work/out" 2>&1
	got=$?
	[ $got -eq "$want" ] || { fail "$*: status $got, not $want"; cat "$work/out"; }
}
said() { grep -qF -- "$1" "$work/out" || { fail "not said: $1"; cat "$work/out"; }; }
gone() { # nothing is left of the lab
	ip netns list | grep -q "^$lab-" && fail "$1: namespaces left"
	[ -e /run/tsuji/labs/$lab ] && fail "$1: state left"
}
finish() {
	"$tsuji" lab down $lab >/dev/null 2>&1
	ip netns delete $lab-b 2>/dev/null
	[ -z "$mine" ] || kill "$mine" 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT

cat >"$work/lab.yaml" <<END
name: $lab
nodes:
  a:
    addresses: {eth0: 10.77.0.1/24}
    macs: {eth0: "02:00:00:00:77:01"}
    start: ["exec sleep 1000", "(setsid sleep 2000 &)", "trap '' TERM; while :; do sleep 3000; done"]
  b: {addresses: {eth0: 10.77.0.2/24}}
links:
  - {endpoints: ["a:eth0", "b:eth0"], mtu: 1400}
checks:
  - {on: a, run: "ping -c 1 -W 2 10.77.0.2", expect: "1 received"}
  - {on: a, run: "ping -c 1 -W 1 10.77.0.3", fails: true}
  - {on: b, run: "cat /sys/class/net/eth0/mtu; ip -o link show eth0", expect: "mtu 1400"}
END

# what the file says is what there is; up again is refused
expect 0 "$tsuji" lab show "$work/lab.yaml"; said "not up"; said "netns add $lab-a"
expect 0 "$tsuji" lab up "$work/lab.yaml"
expect 0 "$tsuji" lab exec "$work/lab.yaml" a ip -o link show eth0; said "02:00:00:00:77:01"
expect 0 "$tsuji" lab exec "$work/lab.yaml" a ip -o address; said "10.77.0.1/24"
expect 7 "$tsuji" lab exec "$work/lab.yaml" a sh -c "exit 7"
expect 2 "$tsuji" lab exec "$work/lab.yaml" c true; said "no node c"
expect 1 "$tsuji" lab up "$work/lab.yaml"; said "up already"
expect 0 "$tsuji" lab show; said "$lab"
expect 0 "$tsuji" lab check "$work/lab.yaml"; said "3 passed, 0 failed"
ip netns list | grep -q "^$lab-a" || fail "check took a lab down that was up before it"

# down ends what up started, daemons and the deaf included, and nothing else
before=$(ip netns pids $lab-a | wc -l)
[ "$before" -ge 3 ] || fail "only $before processes were started"
ip netns exec $lab-a sleep 1234 & mine=$!
sleep 0.2
expect 0 "$tsuji" lab down "$work/lab.yaml"; said "$mine (sleep)"
kill -0 $mine || fail "down ended a process that was not the lab's"
others=$(for p in $(grep -lzsx "TSUJI_LAB=$lab" /proc/[0-9]*/environ); do echo "$p"; done)
[ -z "$others" ] || fail "down left processes: $others"
kill $mine; wait $mine 2>/dev/null; mine=
gone down
expect 0 "$tsuji" lab down "$work/lab.yaml"; said "not up"

# a namespace of somebody else's: up refuses, and leaves it
ip netns add $lab-b
expect 1 "$tsuji" lab up "$work/lab.yaml"; said "$lab-b exists already"
ip netns list | grep -q "^$lab-b" || fail "up removed a namespace that was not its own"
ip netns list | grep -q "^$lab-a" && fail "up made something all the same"
ip netns delete $lab-b
gone "refused up"

# a namespace made anew under the name of one that is the lab's is not removed
expect 0 "$tsuji" lab up "$work/lab.yaml"
ip netns delete $lab-b; ip netns add $lab-b
expect 0 "$tsuji" lab down $lab; said "made anew"
ip netns list | grep -q "^$lab-b" || fail "down removed a namespace that was not its own"
ip netns delete $lab-b
gone "down beside a stranger"

# what cannot be built is not half built; nor what was interrupted
sed 's/10.77.0.2\/24}}/10.77.0.2\/24}, routes: [{to: default, via: 10.99.0.1}]}/' "$work/lab.yaml" >"$work/wrong.yaml"
"$tsuji" lab up "$work/wrong.yaml" >/dev/null 2>&1 && fail "a gateway on no subnet came up"
gone "failed up"
for pause in 0.01 0.05 0.1; do
	"$tsuji" lab up "$work/lab.yaml" >/dev/null 2>&1 & pid=$!
	sleep $pause
	kill -TERM $pid 2>/dev/null # it may have been quicker
	wait $pid
	"$tsuji" lab down "$work/lab.yaml" >/dev/null 2>&1
	gone "up interrupted after $pause s"
done

# a check that fails says what it got; one that hangs is ended
sed 's/"1 received"/"2 received"/; s/ping -c 1 -W 1 10.77.0.3", /sleep 500", timeout: 1, /' "$work/lab.yaml" >"$work/fails.yaml"
expect 1 "$tsuji" lab check "$work/fails.yaml"
said "FAIL 1 a:"; said '"2 received"'; said "FAIL 2 a:"; said "within 1 s"; said "1 passed, 2 failed"
gone check

for file in "$top"/topologies/*.yaml; do
	expect 0 "$tsuji" lab check "$file"
done
exit $failed
