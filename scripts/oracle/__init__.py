"""The oracle: weir and the real Linux IPVS get the same frames and must do the same.

`python3 -m oracle` plays every case to IPVS (in user-mode Linux, its NICs socket pairs: no network
of this machine is touched, no root is needed), then to `weir replay`, and compares frame by frame,
session by session, count by count. `python3 -m oracle differences` prints the table of what may
differ, and why. `python3 -m oracle play GROUP …` plays some groups only. Needs the packages
user-mode-linux, ipvsadm and kmod.
"""
