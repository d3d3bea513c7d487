#!/bin/bash
# Process 1 of the director in user-mode Linux, whose root is the host's, read-only. Its network
# comes from the file that the kernel's argument `setup` names, which arrives as a variable.
# Afterwards each line of the console is a command; after its output, GUEST-DONE and its exit code.
# shellcheck disable=SC1090,SC2154 # `setup` comes from the kernel
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LANG=C
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
# Where modprobe looks for this kernel's modules is not where its package puts them.
mkdir -p /run/root/lib
ln -s /usr/lib/uml/modules /run/root/lib/modules
modprobe() { command modprobe -d /run/root -a "$@"; }
schedulers=(ip_vs_{rr,wrr,lc,wlc,sed,nq,fo,ovf,lblc,lblcr,dh})

# Forgets services, connections and schedulers' places; `ipvsadm -C` alone would not.
clean_slate() {
    if [ -d /sys/module/ip_vs ]; then
        ipvsadm -C && rmmod "${schedulers[@]}" ip_vs || return
    fi
    modprobe ip_vs "${schedulers[@]}"
}

stty -echo </dev/console
modprobe ipip
clean_slate
. "$setup"
echo GUEST-READY
# What the kernel tells would come between the answers.
echo 1 >/proc/sys/kernel/printk
while IFS= read -r line; do
    eval "$line"
    printf '\nGUEST-DONE %s\n' $?
done
# The harness is gone.
echo o >/proc/sysrq-trigger
sleep 10
