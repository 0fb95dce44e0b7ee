"""A server of the Python SDK that checks the Host header, as the SDK does by default: with no more
than the names of this machine, unless ALLOWED_HOSTS lists others."""

import os

from mcp.server.fastmcp import FastMCP
from mcp.server.transport_security import TransportSecuritySettings

hosts = os.environ.get("ALLOWED_HOSTS", "localhost:*,127.0.0.1:*").split(",")
server = FastMCP(
    "python",
    host="0.0.0.0",
    port=int(os.environ["MCP_PORT"]),
    transport_security=TransportSecuritySettings(allowed_hosts=hosts),
)


@server.tool()
def echo(message: str) -> str:
    return message


server.run("streamable-http")
