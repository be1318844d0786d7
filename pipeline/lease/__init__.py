"""Lease of a root: only its holder writes there.

A process takes the lease before it writes below a root, and holds it until it ends. Another process that needs the
lease is refused, or waits:

- The holder runs on this machine, or is stopped there (SIGSTOP): it keeps the lease.
- The holder ran on this machine and has ended: the lease is taken over at once.
- The holder is on another machine or in another container. It changes its claim every `interval` seconds. The lease is
  taken over once the claim has not changed for `window` seconds of this process's own clock. Clocks of two machines are
  never compared.

Of several processes that take a lease, one wins, see `claims`. A holder checks that it still holds the lease before
each write that others see, see `components.files.fenced`. So a process that was stopped, suspended or cut off from the
storage for longer than the window raises `LeaseLost` before its next such write. A check may trust a beat for two
intervals, and a process that has taken over from another machine waits for so long before it writes.

One gap remains, because no file system can rename under a condition: a process that is stopped between a check and the
rename after it, and wakes up after the lease was taken over, completes this one rename.

A lease of the name `WHOLE` excludes all leases of its root. Leases of other names exclude each other only if their
names are equal. So a run on one machine holds the whole root, and a pod holds its node.
"""
