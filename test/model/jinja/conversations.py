"""Conversations for templates as models have them: JSON as text, so that numbers stand as they are written."""

tool = r"""{"type": "function", "function": {"name": "get_weather", "description": "Weather of a \"city\" <now>", "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Its name", "enum": ["Oslo", "São"]}, "days": {"type": "integer", "default": 3, "maximum": 1e2}, "ratio": {"type": ["number", "null"], "default": 1.0}, "flags": {"type": "array", "items": {"type": "boolean"}}, "at": {"type": "object", "properties": {"lat": {"type": "number"}}, "additionalProperties": {"type": "string"}}}, "required": ["city"]}}}"""

hi = r"""{"role": "user", "content": " Hi there 😀\n"}"""
ho = r"""{"role": "assistant", "content": "Ho, \"friend\" "}"""
system = r"""{"role": "system", "content": "You're terse. /no_think"}"""
call = r"""{"role": "assistant", "content": null, "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "São Paulo", "days": 3, "ratio": 1.0, "big": 12345678901234567890, "e": 1e5, "none": null, "yes": true}}}]}"""
call_without = call.replace('"content": null, ', "")
call_text = r"""{"role": "assistant", "content": "So:", "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Oslo\"}"}}, {"id": "bbcdefghi", "type": "function", "function": {"name": "b", "arguments": "{}"}}]}"""
answer = r"""{"role": "tool", "tool_call_id": "abcdefghi", "content": "{\"t\": 21.0}"}"""
answer_map = r"""{"role": "tool", "tool_call_id": "abcdefghi", "content": {"t": 21.0, "sky": "clear"}}"""
think = r"""{"role": "assistant", "content": "<think>\nhm\n</think>\n\n42", "thinking": "hm"}"""
reason = r"""{"role": "assistant", "content": "42", "reasoning_content": "because"}"""
parts = r"""{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " look "}]}"""
documents = r"""[{"title": "A", "text": "one", "score": 1.0}, {"title": "B", "text": "two"}]"""


def given(messages, prompt="false", **others):
    fields = {"tools": "null", "documents": "null", "bos_token": '"<s>"', "eos_token": '"</s>"', **others}
    rest = "".join(f', "{key}": {value}' for key, value in fields.items())
    return f'{{"messages": [{", ".join(messages)}], "add_generation_prompt": {prompt}{rest}}}'


all_conversations = [
    given([hi]),
    given([hi], "true"),
    given([system, hi, ho, hi], "true"),
    given([hi, hi], "true"),
    given([system, hi, ho], "false"),
    given([hi, call, answer, ho, hi], "true", tools=f"[{tool}]"),
    given([hi, call_without, answer], "true", tools=f"[{tool}]"),
    given([system, hi, call_text, answer, answer, ho], "false", tools=f"[{tool}, {tool}]"),
    given([hi, call, answer_map], "true", tools=f"[{tool}]"),
    given([hi, think, hi], "true", enable_thinking="false"),
    given([hi, think], "false"),
    given([hi, reason], "false", enable_thinking="true"),
    given([parts, ho], "true"),
    given([hi], "true", documents=documents, reasoning_effort='"high"'),
]

files = "chatml llama2 llama3 qwen3 gemma mistral phi smollm3 deepseek command-r gpt-oss".split()
conversations = [(f"{file}.jinja", all_conversations) for file in files]
