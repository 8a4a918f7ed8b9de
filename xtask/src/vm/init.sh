#!/bin/busybox sh
# Process 1 of a machine that `cargo xtask vm` boots: mounts, says what the kernel can, runs the tests, and ends. Lines that
# begin with "@" are read by xtask/src/vm/boot.rs.
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin TMPDIR=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
for place in /tmp /run /dev/shm; do mount -t tmpfs tmpfs $place && chmod 1777 $place; done
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup /sys/fs/cgroup
chmod 755 /
chmod 666 /dev/null
ip link set lo up
for module in /modules/*.ko; do [ -f "$module" ] && insmod "$module"; done

echo "@kernel $(uname -r)"
echo "@check"
/poolwatch/agent check
echo "@end $?"

# Which probes it takes by itself. `-v` tells why it cannot, where it cannot.
/poolwatch/agent --listen 127.0.0.1:9000 > /tmp/agent 2>&1 &
agent=$!
tries=0
until wget -q -O /tmp/ready http://127.0.0.1:9000/readyz; do
    kill -0 $agent 2> /dev/null || break
    tries=$((tries + 1))
    [ $tries = 240 ] && break
    sleep 1
done
kill $agent 2> /dev/null
wait $agent
echo "@agent $?"
cat /tmp/agent
echo "@end"

export POOLWATCH_BIN=/poolwatch/agent POOLWATCH_TESTS_PATIENCE=10 RUST_BACKTRACE=0
echo "@tests" $(cat /poolwatch/tests)
while read -r test; do
    echo "@test $test"
    timeout 1500 "/poolwatch/debug/deps/$test" --test-threads=1 --show-output 2>&1
    echo "@end $?"
done < /poolwatch/tests
poweroff -f
