"""Real TCP (ASTF): clients ask for 16 KiB over a connection each; TRex is their server as well."""

from trex.astf.api import (
    ASTFAssociationRule,
    ASTFIPGen,
    ASTFIPGenDist,
    ASTFIPGenGlobal,
    ASTFProfile,
    ASTFProgram,
    ASTFTCPClientTemplate,
    ASTFTCPServerTemplate,
    ASTFTemplate,
)

ASKED = b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n"
ANSWERED = b"HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n" + b"x" * 16384
CONNECTIONS_PER_SECOND = 1000


class Connections:
    """Clients address the VIP at port 80; what weir makes of it reaches servers at 8080."""

    def get_profile(self, **_):
        """What TRex asks for."""
        client = ASTFProgram()
        client.send(ASKED)
        client.recv(len(ANSWERED))
        server = ASTFProgram()
        server.recv(len(ASKED))
        server.send(ANSWERED)
        clients = ASTFIPGenDist(ip_range=["198.18.0.1", "198.18.0.100"], distribution="seq")
        vip = ASTFIPGenDist(ip_range=["198.19.0.1", "198.19.0.1"], distribution="seq")
        addresses = ASTFIPGen(
            glob=ASTFIPGenGlobal(ip_offset="0.0.0.0"), dist_client=clients, dist_server=vip
        )
        template = ASTFTemplate(
            client_template=ASTFTCPClientTemplate(
                program=client, ip_gen=addresses, port=80, cps=CONNECTIONS_PER_SECOND
            ),
            server_template=ASTFTCPServerTemplate(
                program=server, assoc=ASTFAssociationRule(port=8080)
            ),
        )
        return ASTFProfile(default_ip_gen=addresses, templates=template)


def register():
    """For TRex."""
    return Connections()
