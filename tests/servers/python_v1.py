"""A server of the Python SDK 1.x with two tools: python_v1.py MODE PORT."""

import sys

from mcp.server.fastmcp import FastMCP
from mcp.server.transport_security import TransportSecuritySettings

mode, port = sys.argv[1], int(sys.argv[2])
settings = {"host": "127.0.0.1", "port": port, "stateless_http": mode == "stateless"}
if mode != "guarded":
    guard = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    settings["transport_security"] = guard
server = FastMCP("python-v1", **settings)


@server.tool()
def echo(message: str) -> str:
    return message


@server.tool()
def add(a: float, b: float) -> float:
    return a + b


server.run("sse" if mode == "sse" else "streamable-http")
