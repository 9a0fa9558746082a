import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runHere } from './here.js'
import { Place } from './puzzleflow.js'
import { writeTinySearch } from './tiny-search.js'

const texts = ['an ant is', 'an bat', 'cow and cat', 'an owl is', 'no bee']

let place: Place
beforeAll(async () => {
  place = new Place(await writeTinySearch())
  write('prompts.txt', `${texts.join('\n')}\n\n`)
  write('prompts.jsonl', texts.map((text) => `${JSON.stringify({ text })}\n`).join(''))
  write('ids.jsonl', '{"input_ids": [4, 5, 28]}\n')
  write('nothing.txt', '\n\n')
})
afterAll(() => place.close())

const write = (name: string, text: string) => writeFileSync(join(place.folder, name), text)

interface Sequence {
  readonly prompt: readonly number[]
  readonly tokens: readonly number[]
  readonly text: string
}

/** What `generate --json` prints that succeeds and says nothing else. */
async function json<T = Sequence>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await runHere(place, 'generate', ...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as T
}

test('the prompt is shown with what comes after it', async () => {
  const args = ['parent', '--prompt', 'an ant is', '-n', '5', '--ignore-eos']
  const { text, tokens } = await json(...args)
  expect(tokens).toHaveLength(5)
  expect(await runHere(place, 'generate', ...args)).toEqual({ code: 0, stdout: `an ant is${text}\n`, stderr: '' })
})

test('the text ends before a stop string, which may lie across tokens', async () => {
  const args = ['parent', '--prompt', 'an ant is', '-n', '6', '--ignore-eos']
  const { text } = await json(...args)
  const space = text.indexOf(' ', 1)
  const stop = text.slice(space - 1, space + 2)
  const stopped = await json(...args, '--stop', stop)
  expect(stopped.text).toBe(text.slice(0, space - 1))
  expect(stopped.tokens).toHaveLength(2)
})

test('prompts of a file are continued as each is alone, however many go side by side', async () => {
  const options = ['-n', '6', '--ignore-eos', '--temperature', '1', '--seed', '5']
  const alone: Sequence[] = []
  for (const text of texts) alone.push(await json('parent', '--prompt', text, ...options))
  for (const more of [
    ['--prompts', 'prompts.txt'],
    ['--prompts', 'prompts.jsonl'],
    ['--prompts', 'prompts.txt', '--batch', '1'],
    texts.flatMap((text) => ['--prompt', text]),
  ])
    expect(await json<unknown>('parent', ...more, ...options)).toEqual({ sequences: alone })

  const { code, stdout } = await runHere(place, 'generate', 'parent', '--prompts', 'prompts.txt', ...options)
  expect(code).toBe(0)
  expect(stdout).toBe(`${texts.map((text, i) => text + alone[i]!.text).join('\n\n')}\n`)
})

test('what the tokenizer has no token for is told, where another token stands for it', async () => {
  cpSync(join(place.folder, 'parent'), join(place.folder, 'guessing'), { recursive: true })
  write('guessing/tokenizer_config.json', '{"unk_token": "<unk>"}')
  const says = async (...texts: readonly string[]) => {
    const prompts = texts.flatMap((text) => ['--prompt', text])
    const { code, stderr } = await runHere(place, 'generate', 'guessing', ...prompts, '-n', '2')
    expect(code).toBe(0)
    return stderr
  }
  const rest = 'text that the tokenizer has no token for: the model reads <unk> there.\n'
  expect(await says('an unicorn')).toBe(`The prompt has ${rest}`)
  expect(await says('an ant', 'an unicorn', 'unicorn')).toBe(`2 of 3 prompts have ${rest}`)
  expect(await says('an ant')).toBe('')
})

test('a file of token ids needs no tokenizer', async () => {
  const found = await json('parent', '--prompts', 'ids.jsonl', '-n', '3', '--ignore-eos')
  expect(found).toEqual({ prompt: [4, 5, 28], tokens: expect.any(Array) as unknown })
  for (const prompt of [
    ['--prompt', 'an ant is'],
    ['--tokens', '4,5,28'],
  ])
    expect(await json('parent', ...prompt, '-n', '3', '--ignore-eos')).toMatchObject(found)
})

test('a conversation of a file is what --chat makes of a text', async () => {
  cpSync(join(place.folder, 'parent'), join(place.folder, 'chatty'), { recursive: true })
  write(
    'chatty/chat_template.jinja',
    '{% for m in messages %}{{ "of" if m.role == "system" else "to" }} ? {{ m.content }} {% endfor %}{% if add_generation_prompt %}by ?{% endif %}',
  )
  const messages = [
    { role: 'system', content: 'no cat' },
    { role: 'user', content: 'an ant' },
  ]
  write('talk.jsonl', `${JSON.stringify({ messages })}\n`)
  const options = ['-n', '4', '--ignore-eos']
  const said = await json('chatty', '--chat', '--system', 'no cat', '--prompt', 'an ant', ...options)
  const { prompt } = await json('parent', '--prompt', 'of ? no cat to ? an ant by ?', ...options)
  expect(said.prompt).toEqual(prompt)
  expect(await json('chatty', '--prompts', 'talk.jsonl', ...options)).toEqual(said)
})

test('a model whose generation_config.json says do_sample is sampled as it says, unless the user says otherwise', async () => {
  cpSync(join(place.folder, 'parent'), join(place.folder, 'drawing'), { recursive: true })
  const config = {
    do_sample: true,
    temperature: 2,
    top_k: 9,
    top_p: 0.9,
    repetition_penalty: 1.3,
    eos_token_id: [2, 3],
  }
  write('drawing/generation_config.json', JSON.stringify(config))
  const args = ['--prompt', 'an ant is', '-n', '8', '--ignore-eos']
  const said = ['--temperature', '2', '--top-k', '9', '--top-p', '0.9', '--repetition-penalty', '1.3']
  const expected = await json('parent', ...args, ...said)
  const { code, stdout, stderr } = await runHere(place, 'generate', 'drawing', ...args, '--json')
  expect(code).toBe(0)
  expect(stderr).toBe(
    'Tokens are drawn at temperature 2, as generation_config.json says; --temperature 0 always takes the most likely one.\n',
  )
  expect(JSON.parse(stdout)).toEqual(expected)
  // What is told takes the place of that one value.
  expect(await json('drawing', ...args, '--temperature', '1')).toEqual(
    await json('parent', ...args, ...said, '--temperature', '1'),
  )
  const greedy = await json('parent', ...args)
  expect(await json('drawing', ...args, '--temperature', '0', '--repetition-penalty', '1')).toEqual(greedy)
  expect(expected.tokens).not.toEqual(greedy.tokens)

  write('drawing/generation_config.json', JSON.stringify({ ...config, do_sample: false, repetition_penalty: 1 }))
  expect(await json('drawing', ...args)).toEqual(greedy)

  write('drawing/generation_config.json', JSON.stringify({ ...config, top_p: 0 }))
  expect(await runHere(place, 'generate', 'drawing', ...args)).toEqual({
    code: 2,
    stdout: '',
    stderr:
      'drawing/generation_config.json has "top_p": 0, not a number above 0, up to 1\nRemedy: Copy the file from the original checkpoint again, or remove it.\n',
  })
})

test('each prompt has the positions that it leaves itself', async () => {
  const long = Array.from({ length: 60 }, () => 4)
  const { code, stdout, stderr } = await runHere(
    place,
    ...['generate', 'parent', '--tokens', long.join(), '--tokens', '4,5', '-n', '9', '--ignore-eos', '--json'],
  )
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: 'The model has 64 positions: at most 4 tokens fit after the longest prompt.\n',
  })
  const { sequences } = JSON.parse(stdout) as { sequences: Sequence[] }
  expect(sequences.map(({ tokens }) => tokens.length)).toEqual([4, 9])
})

test.each([
  [['--prompt', 'an ant', '--top-p', '0'], "'0' is invalid. It must be above 0 and at most 1."],
  [['--prompt', 'an ant', '--temperature=-1'], "'-1' is invalid. It must be a number, 0 or more."],
  [['--prompt', 'an ant', '--stop', ''], '--stop is empty: every text would end at once\n'],
  [['--tokens', '1,x'], '--tokens "1,x": "x" is not a token id\n'],
  [['--prompt', ''], 'The prompt has no tokens\n'],
  [['--tokens', '1', '--tokens', '1,99'], 'Prompt 2 has the token 99, but the model’s tokens are 0 to 39\n'],
  [
    ['--tokens', Array.from({ length: 64 }, () => 4).join()],
    'The prompt has 64 tokens, but the model has 64 positions\nRemedy: Shorten it to at most 63 tokens.\n',
  ],
  [['--tokens', '1', '--prompts', 'prompts.txt'], '--tokens and --prompts cannot be combined\n'],
  [['--prompts', 'nowhere.txt'], 'nowhere.txt: ENOENT'],
  [['--prompts', 'nothing.txt'], 'nothing.txt holds no prompts\n'],
  [['--prompts', 'ids.jsonl', '--stop', 'an'], '--stop works on text, but ids.jsonl holds only token ids\n'],
])('%j is refused', async (args, message) => {
  const { code, stdout, stderr } = await runHere(place, 'generate', 'parent', ...args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(message)
})
