import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exactJson, messagesProblem, renderChat } from '../../model/index.js'
import { scratch } from './tiny.js'

const chatml =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m['content'] | trim + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

/** A folder with a tokenizer_config.json, and chat_template.jinja where one is given. */
function folderOf(config: object | undefined, own?: string): string {
  const folder = scratch()
  if (config) writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config))
  if (own !== undefined) writeFileSync(join(folder, 'chat_template.jinja'), own)
  return folder
}
const user = (content: string) => ({ role: 'user', content })
const said = (content: string) => ({ role: 'assistant', content })

test('messages are written as the template of tokenizer_config.json says', () => {
  const folder = folderOf({ chat_template: chatml })
  expect(renderChat(folder, [user(' Hi '), said('Ho')])).toBe(
    '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHo<|im_end|>\n',
  )
  expect(renderChat(folder, [user('Hi')], { addGenerationPrompt: true })).toBe(
    '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
  )
})

test('chat_template.jinja goes before tokenizer_config.json', () => {
  const folder = folderOf({ chat_template: 'old' }, 'new {{ messages[0].content }}')
  expect(renderChat(folder, [user('x')])).toBe('new x')
})

test('of named templates "default" is taken, or the one that is asked for', () => {
  const named = [
    { name: 'default', template: 'D' },
    { name: 'tool_use', template: 'T' },
  ]
  const folder = folderOf({ chat_template: named })
  expect(renderChat(folder, [user('x')])).toBe('D')
  expect(renderChat(folder, [user('x')], { template: 'tool_use' })).toBe('T')
  expect(() => renderChat(folder, [user('x')], { template: 'rag' })).toThrow(
    expect.objectContaining({
      kind: 'InvalidInput',
      file: join(folder, 'tokenizer_config.json'),
      remedy: 'It has "default", "tool_use".',
    }) as Error,
  )
})

test('special tokens reach the template, written as text or as {content}; one that is not there is nothing', () => {
  const template = '{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{{ unk_token }}{% endfor %}'
  const folder = folderOf({
    bos_token: '<s>',
    eos_token: { content: '</s>' },
    unk_token: null,
    chat_template: template,
  })
  expect(renderChat(folder, [user('a'), said('b')])).toBe('<s>a</s>b</s>')
})

test('what is null in a message is not there, and reasoning has all of its names, as in transformers', () => {
  const template = '{{ messages[0] }}'
  const message = { role: 'assistant', content: null, reasoning: 'hm', tool_calls: [] }
  expect(renderChat(folderOf({}, template), [message])).toBe(
    "{'thinking': 'hm', 'role': 'assistant', 'reasoning': 'hm', 'tool_calls': [], 'reasoning_content': 'hm'}",
  )
})

test('numbers of JSON reach the template as they are written', () => {
  const text = '{"a": 1.0, "b": 1, "c": 12345678901234567890, "d": 1e5, "e": {"2": -0.0, "1": 2.5}}'
  const message = { role: 'user', content: exactJson(text) }
  expect(renderChat(folderOf({}, '{{ messages[0].content | tojson }}'), [message])).toBe(
    '{"a": 1.0, "b": 1, "c": 12345678901234567890, "d": 100000.0, "e": {"2": -0.0, "1": 2.5}}',
  )
})

test('tools, documents and further variables reach the template, and with tools the template named tool_use is taken', () => {
  const folder = folderOf({
    chat_template: [
      { name: 'default', template: '{{ tools is none }}{{ documents is none }}{{ bos_token }}' },
      { name: 'tool_use', template: '{{ tools | tojson }}{{ documents | length }}{{ thinking }}{{ bos_token }}' },
    ],
    bos_token: '<s>',
  })
  expect(renderChat(folder, [user('x')])).toBe('TrueTrue<s>')
  const options = { tools: [{ name: 'f' }], documents: [{}], variables: { thinking: true, bos_token: '<b>' } }
  expect(renderChat(folder, [user('x')], options)).toBe('[{"name": "f"}]1True<b>')
})

test.each([
  ['chat_template.jinja', ['chat_template.jinja', 'tokenizer_config.json', 'chat_template.json'], undefined],
  ['additional_chat_templates/rag.jinja', ['chat_template.jinja', 'additional_chat_templates/rag.jinja'], 'rag'],
  [
    'additional_chat_templates/default.jinja',
    ['additional_chat_templates/default.jinja', 'tokenizer_config.json'],
    undefined,
  ],
  ['tokenizer_config.json', ['tokenizer_config.json', 'chat_template.json'], undefined],
  ['chat_template.json', ['chat_template.json'], undefined],
])('as in transformers, %s counts among %j', (wanted, files, template) => {
  const folder = scratch()
  mkdirSync(join(folder, 'additional_chat_templates'))
  for (const file of files)
    writeFileSync(join(folder, file), file.endsWith('.json') ? JSON.stringify({ chat_template: file }) : file)
  expect(renderChat(folder, [user('x')], template === undefined ? {} : { template })).toBe(wanted)
})

test('further fields of messages reach the template; tools are none', () => {
  const template = '{% if tools is none %}{{ messages[0].name }}{% endif %}'
  expect(renderChat(folderOf({}, template), [{ ...user('x'), name: 'Ann' }])).toBe('Ann')
})

test('the date is the same on every day unless one is given', () => {
  const folder = folderOf({}, '{{ strftime_now("%d %b %Y, %A %H:%M 100%%") }}')
  expect(renderChat(folder, [])).toBe('26 Jul 2024, Friday 00:00 100%')
  expect(renderChat(folder, [], { now: new Date('2026-03-01T13:05:00Z') })).toBe('01 Mar 2026, Sunday 13:05 100%')
})

test.each([
  ['there is no template', {}, undefined, '', 'has no chat template'],
  [
    'it is of a wrong kind',
    { chat_template: { a: 1 } },
    undefined,
    'tokenizer_config.json',
    'is neither a template nor',
  ],
  ['it is no Jinja', {}, '{% for %}', 'chat_template.jinja', 'the chat template cannot be read: '],
  ['it is too large', {}, 'x'.repeat((1 << 18) + 1), 'chat_template.jinja', 'has more than 262144 bytes'],
  ['it asks for what is not there', {}, '{{ secrets() }}', 'chat_template.jinja', 'the chat template fails: '],
  [
    'its range is too long',
    {},
    '{{ range(1000000000) }}',
    'chat_template.jinja',
    'fails: OverflowError: Range too big: 1000000000 numbers, and 100000 at most (line 1)',
  ],
  [
    'it asks for what is not supported',
    {},
    '\n{{ 1 | pprint }}',
    'chat_template.jinja',
    'cannot be rendered: the filter "pprint" is not supported (line 2)',
  ],
  [
    'it reads another file',
    {},
    '\n\n{% include "x" %}',
    'chat_template.jinja',
    'cannot be read: {% include %} is not supported (line 3)',
  ],
  [
    'it makes too long a text',
    {},
    "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(24) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    'chat_template.jinja',
    'was stopped: it makes a text of more than 16777216 characters (line 1)',
  ],
  [
    'it makes too long a list',
    {},
    '{% set ns = namespace(x=[0], k=[]) %}{% for i in range(23) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
    'chat_template.jinja',
    'was stopped: it takes more than 16777216 steps (line 1)',
  ],
  [
    'it calls itself',
    {},
    '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
    'chat_template.jinja',
    'was stopped: its calls, loops or values are nested more than 150 deep (line 1)',
  ],
  [
    'its expressions are nested too deeply',
    {},
    `{{ ${'('.repeat(1000)}1${')'.repeat(1000)} }}`,
    'chat_template.jinja',
    'cannot be read: expressions are nested more than 150 deep (line 1)',
  ],
  [
    'its sum is too long',
    {},
    `{{ 1${'+1'.repeat(50_000)} }}`,
    'chat_template.jinja',
    'was stopped: it is nested too deeply',
  ],
  [
    'it wants what is inside',
    {},
    '{{ messages.__class__.__mro__ }}',
    'chat_template.jinja',
    "fails: SecurityError: access to attribute '__class__' of 'list' object is unsafe. (line 1)",
  ],
  [
    'it refuses the messages',
    {},
    '{{ raise_exception("Roles must alternate") }}',
    'chat_template.jinja',
    'the chat template refuses the messages: Roles must alternate',
  ],
])('when %s, the file and a remedy are named', (_, config, own, name, message) => {
  const folder = folderOf(config, own)
  expect(() => renderChat(folder, [user('x')])).toThrow(
    expect.objectContaining({
      kind: 'InvalidInput',
      file: join(folder, name).replace(/\/$/, ''),
      message: expect.stringContaining(message) as string,
      remedy: expect.stringMatching(/\w/) as string,
    }) as Error,
  )
})

test('a template that does not end is ended', () => {
  const loop = '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}'
  expect(() => renderChat(folderOf({}, loop), [])).toThrow(
    /the chat template was stopped: it (takes more than|does not end)/,
  )
})

test('the prototype of an object is not in reach', () => {
  const reach =
    '{{ messages.constructor }}{{ messages[0].constructor }}{{ messages[0]["__proto__"] }}{{ "".constructor.constructor }}'
  expect(() => renderChat(folderOf({}, reach), [user('x')])).toThrow('UndefinedError')
  expect(renderChat(folderOf({}, '[{{ messages.constructor }}{{ messages[0].toString }}]'), [user('x')])).toBe('[]')
})

test('a tokenizer_config.json that is not JSON is refused', () => {
  const folder = scratch()
  writeFileSync(join(folder, 'tokenizer_config.json'), '{')
  expect(() => renderChat(folder, [])).toThrow(join(folder, 'tokenizer_config.json') + ' cannot be read: ')
})

test.each([
  [{ role: 'user' }, 'has "messages" that are not a list'],
  [[], 'has no messages in "messages"'],
  [[user('x'), null], 'has a message (number 2) without a "role" that is text'],
  [[{ role: '', content: 'x' }], 'has a message (number 1) without a "role" that is text'],
  [[{ role: 'user', content: 5 }], 'has a message (number 1) without a "content" that is text, or a list of parts'],
  [[{ role: 'user' }], 'has a message (number 1) without a "content" that is text, or a list of parts'],
  [[{ role: 'user', content: [{ type: 'text' }] }], undefined],
  [[{ role: 'assistant', content: null, tool_calls: [] }], undefined],
  [[user('')], undefined],
])('of %j it is said: %s', (value, problem) => {
  expect(messagesProblem(value)).toBe(problem)
})
