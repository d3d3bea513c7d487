"""Reads the profiles with TRex's own client library, and says what TRex would be told.

check.py FOLDER, which has TRex's `scripts`. No port and no TRex that runs is needed: streams and
templates are made as they would be sent to it, and the packets in them are looked at.
"""

import base64
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
STATELESS = ["flows", "syn_flood", "nat", "imix"]
OCTETS = {"flows": [64], "syn_flood": [64], "nat": [64, 64], "imix": [64, 594, 1518]}


def check_stateless(name):
    """Makes the streams of both directions."""
    from trex_stl_lib.api import STLProfile

    path = str(HERE / f"{name}.py")
    streams = [
        stream.to_json()
        for direction in (0, 1)
        for stream in STLProfile.load_py(path, direction=direction).get_streams()
    ]
    octets = [len(base64.b64decode(stream["packet"]["binary"])) + 4 for stream in streams]
    assert octets == OCTETS[name], (name, octets)
    for stream in streams:
        instructions = [one["type"] for one in stream["vm"]["instructions"]]
        assert instructions.count("flow_var") == 2, instructions
        assert "fix_checksum_hw" in instructions, instructions
    print(f"{name}: {len(streams)} streams of {octets} octets")


def check_tcp():
    """Makes the template."""
    from trex.astf.trex_astf_profile import ASTFProfile

    profile = json.loads(ASTFProfile.load(str(HERE / "tcp.py")).to_json_str())
    (template,) = profile["templates"]
    assert template["client_template"]["port"] == 80
    assert template["server_template"]["assoc"] == [{"port": 8080}]
    print(f"tcp: {len(profile['program_list'])} programs")


def main(folder):
    """Checks all of them."""
    interactive = pathlib.Path(folder) / "scripts/automation/trex_control_plane/interactive"
    sys.path[:0] = [str(interactive)]
    for name in STATELESS:
        check_stateless(name)
    check_tcp()


if __name__ == "__main__":
    main(*sys.argv[1:])
