"""Calls every tool, resource and prompt of a server with a client library that
is not ours, over standard input and output and over HTTP, and validates each
answer against the schema that the server gave for it.

Reads a plan as JSON from its first argument, prints what it found as JSON.
"""

import asyncio
import contextlib
import json
import sys

import httpx2
import jsonschema
from mcp import ClientSession, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import PaginatedRequestParams


@contextlib.asynccontextmanager
async def over_stdio(plan):
    command, *args = plan["stdio"]
    server = StdioServerParameters(command=command, args=args)
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        yield session


class Patient(httpx2.AsyncHTTPTransport):
    """Comes again when it is told that it came too often."""

    async def handle_async_request(self, request):
        while True:
            response = await super().handle_async_request(request)
            if response.status_code != 429:
                return response
            await response.aread()
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))


@contextlib.asynccontextmanager
async def over_http(plan, token):
    # By the address of the pod, in the name of its Service: the server answers to no other.
    headers = {"Authorization": "Bearer " + token, "Host": plan["host"]}
    async with httpx2.AsyncClient(headers=headers, timeout=60, transport=Patient()) as http:
        async with streamable_http_client(plan["url"], http_client=http) as streams:
            async with ClientSession(streams[0], streams[1]) as session:
                yield session


def check(instance, schema, what):
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    errors = [error.message for error in validator(schema).iter_errors(instance)]
    if errors:
        raise AssertionError(f"{what}: {errors[:3]}")


async def call(session, tool, case):
    """One call of a tool: its answer, by its schema."""
    check(case["arguments"], tool.input_schema, "arguments of " + tool.name)
    told = []

    async def tell(value, total, message):
        told.append([value, total])

    result = await session.call_tool(tool.name, case["arguments"], progress_callback=tell)
    text = " ".join(part.text for part in result.content if part.type == "text")
    if result.is_error:
        raise AssertionError(f"{tool.name} {case['arguments']}: {text}")
    check(result.structured_content, tool.output_schema, "answer of " + tool.name)
    hints = tool.annotations
    if not (hints.read_only_hint and hints.idempotent_hint):
        raise AssertionError(f"{tool.name} does not say that it is read-only and idempotent")
    answer = result.structured_content
    if answer.get("parts", 1) > 1:
        answer["text"] += await rest(session, tool, case, answer)
    return {"answer": answer, "words": result.content[0].text, "progress": told}


async def rest(session, tool, case, first):
    """The other parts of a long answer."""
    text = ""
    for part in range(2, first["parts"] + 1):
        result = await session.call_tool(tool.name, {**case["arguments"], "part": part})
        answer = result.structured_content
        if answer["digest"] != first["digest"]:
            raise AssertionError(f"part {part} of {tool.name} is of another text")
        text += answer["text"]
    return text


async def look(session, plan, is_modern):
    """Everything the server has, looked at once."""
    await (session.discover() if is_modern else session.initialize())
    tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    found = {"server": session.server_info.name, "protocol": session.protocol_version, "tools": {}}
    for case in plan["cases"]:
        answer = await call(session, tools[case["tool"]], case)
        found["tools"].setdefault(case["tool"], []).append(answer)
    missing = set(tools) - set(found["tools"])
    if missing:
        raise AssertionError(f"tools without a case: {sorted(missing)}")
    resources, cursor = [], None
    while True:
        page = await session.list_resources(params=PaginatedRequestParams(cursor=cursor))
        resources += page.resources
        cursor = page.next_cursor
        if not cursor:
            break
    for resource in resources:
        read = await session.read_resource(resource.uri)
        json.loads(read.contents[0].text)
    prompts = (await session.list_prompts()).prompts
    for prompt in prompts:
        given = {one.name: "1" for one in prompt.arguments or [] if one.required}
        await session.get_prompt(prompt.name, given)
    found["resources"] = len(resources)
    found["prompts"] = len(prompts)
    found["templates"] = len((await session.list_resource_templates()).resource_templates)
    return found


async def answered(session, what):
    """Whatever somebody is answered, as text."""
    if "resource" in what:
        try:
            read = await session.read_resource(what["resource"])
            return read.model_dump_json(exclude_none=True)
        except MCPError as fault:
            return json.dumps([fault.error.code, fault.error.message, fault.error.data])
    result = await session.call_tool(what["tool"], what["arguments"])
    return result.model_dump_json(exclude_none=True)


async def foreign(session, plan):
    """What somebody of another namespace is answered: the same whether the
    thing is there or not."""
    await session.initialize()
    pairs = []
    for case in plan["hidden"]:
        answers = []
        for name in (case["there"], case["nowhere"]):
            what = json.loads(json.dumps(case["what"]).replace("NAME", name))
            answers.append((await answered(session, what)).replace(name, "NAME"))
        pairs.append({"what": case["what"], "same": answers[0] == answers[1], "answer": answers[0][:400]})
    listed = await session.call_tool("list_workloads_by_compliance", {})
    return {"pairs": pairs, "listed": listed.structured_content["total"]}


async def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    found = {}
    async with over_stdio(plan) as session:
        found["stdio"] = await look(session, plan, False)
    async with over_http(plan, plan["token"]) as session:
        found["http"] = await look(session, plan, False)
    async with over_http(plan, plan["token"]) as session:
        found["modern"] = await look(session, plan, True)
    async with over_http(plan, plan["foreign"]) as session:
        found["foreign"] = await foreign(session, plan)
    json.dump(found, sys.stdout)


asyncio.run(main())
