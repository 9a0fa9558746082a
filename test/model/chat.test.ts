import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { messagesProblem, renderChat } from '../../model/index.js'
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
  ['it is too large', {}, 'x'.repeat((1 << 20) + 1), 'chat_template.jinja', 'has more than 1048576 bytes'],
  ['it asks for what is not there', {}, '{{ secrets() }}', 'chat_template.jinja', 'the chat template fails: '],
  ['its range is too long', {}, '{{ range(1000000000) }}', 'chat_template.jinja', 'range() of 1000000000 numbers'],
  ['its range stands still', {}, '{{ range(1, 2, 0) }}', 'chat_template.jinja', 'range() of Infinity numbers'],
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

test('a template that does not end is ended', { timeout: 30_000 }, () => {
  const loop = '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}'
  expect(() => renderChat(folderOf({}, loop), [])).toThrow('the chat template fails: it does not end in 5 s')
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
  [[{ role: 'user', content: [{ type: 'text' }] }], 'has a message (number 1) without a "content" that is text'],
  [[user('')], undefined],
])('of %j it is said: %s', (value, problem) => {
  expect(messagesProblem(value)).toBe(problem)
})
