"""The lab: clients, a router, the director and real servers in network namespaces.

`python3 -m lab demo` shows the three forwarding modes, `python3 -m lab test [NAME …]` runs the
tests. Needs root and what scripts/install.sh installs.
"""
