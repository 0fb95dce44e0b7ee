"""A server of the Python SDK 2.x with two tools: python_v2.py MODE PORT."""

import sys

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

mode, port = sys.argv[1], int(sys.argv[2])
server = MCPServer("python-v2", version="1.0")


@server.tool()
def echo(message: str) -> str:
    return message


@server.tool()
def add(a: float, b: float) -> float:
    return a + b


settings = {"host": "127.0.0.1"}
if mode != "guarded":
    guard = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    settings["transport_security"] = guard
if mode == "sse":
    app = server.sse_app(**settings)
else:
    app = server.streamable_http_app(stateless_http=mode == "stateless", **settings)
uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
