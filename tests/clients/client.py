"""Calls a tool with the SDK of Python, configured by a client's file: client.py FILE SERVER MESSAGE

The file is the one of Claude Code or of VS Code. What VS Code would ask a person for is in INPUT_<ID>."""

import asyncio
import json
import os
import re
import ssl
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


def filled_in(text):
    text = re.sub(r"\$\{input:([^}]+)\}", lambda it: os.environ["INPUT_" + it[1].upper().replace("-", "_")], text)
    return re.sub(r"\$\{(\w+)\}", lambda it: os.environ[it[1]], text)


async def main(file, server, message):
    with open(file) as opened:
        configuration = json.load(opened)
    entry = configuration.get("mcpServers", configuration.get("servers"))[server]
    assert entry["type"] == "http", entry
    headers = {name: filled_in(value) for name, value in entry.get("headers", {}).items()}
    # It trusts whom SSL_CERT_FILE names.
    async with httpx2.AsyncClient(headers=headers, verify=ssl.create_default_context()) as http:
        async with Client(streamable_http_client(entry["url"], http_client=http)) as client:
            result = await client.call_tool("echo", {"message": message})
            print(result.content[0].text)


asyncio.run(main(*sys.argv[1:]))
